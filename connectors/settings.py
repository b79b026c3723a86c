"""What the environment says: where the database is, which model answers. Read when asked, never at import."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from domain.settling import SETTLES_S


class Settings(BaseSettings):
    """Interlock's own environment variables; connectors have theirs in `connectors.registry`.

    Attributes:
        home: where files go that nothing else names.
        database_url: `sqlite:///PATH` or `postgresql://…`.
        llm_base_url: an OpenAI-compatible endpoint; without it the embedded model answers.
        llm_model: the model's name there.
        llm_api_key: its key; never logged.
        llm: `off` lets rules and people decide though the embedded model is installed.
        llm_threads: cores that the embedded models compute on; more than are idle make them
            many times slower.
        embeddings_base_url: an OpenAI-compatible endpoint for embeddings; without it MiniLM
            is used where it is installed, else words alone.
        embeddings_model: the model's name there.
        embeddings_api_key: its key; never logged.
        embeddings: `off` compares words alone though MiniLM is installed.
        public_url: what people and senders call this installation's web server.
        link_secret: seals the links by which reviewers decide; several, parted by commas, while it is replaced.
        link_hours: how long such a link holds.
        reviewers_token: whoever has it may see the queue and decide, under the name that they give.
        dashboard_token: whoever has it may look at the dashboard and read `/metrics`, and decide nothing.
        proxy_user_header: the header in which a proxy says who is signed in; it is believed, whoever sends it.
        price_prompt, price_completion: of a million tokens, in `price_currency`; without them tokens are shown.
        settles_s: seconds for which a system may go on with a write whose sender is gone; as long
            as the longest time limit of any gateway before one. What was not found is sent again after it.
    """

    model_config = SettingsConfigDict(env_prefix="INTERLOCK_", env_ignore_empty=True, extra="ignore")

    home: Annotated[Path, AfterValidator(Path.expanduser)] = Path.home() / ".interlock"
    database_url: str = Field(default="", repr=False)
    llm_base_url: str = ""
    llm_model: str = ""
    llm_api_key: SecretStr = SecretStr("")
    llm: str = Field(default="on", pattern="^(on|off)$")
    llm_threads: int = Field(default=1, ge=1)
    embeddings_base_url: str = ""
    embeddings_model: str = ""
    embeddings_api_key: SecretStr = SecretStr("")
    embeddings: str = Field(default="on", pattern="^(on|off)$")
    public_url: str = Field(default="", pattern=r"^(https?://[^\s/?#]+[^\s?#]*)?$")
    link_secret: SecretStr = SecretStr("")
    link_hours: float = Field(default=72, gt=0, le=24 * 365)
    reviewers_token: SecretStr = SecretStr("")
    dashboard_token: SecretStr = SecretStr("")
    proxy_user_header: str = Field(default="", pattern=r"^[A-Za-z0-9-]*$")
    price_prompt: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    price_completion: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    price_currency: str = Field(default="", max_length=8)
    settles_s: float = Field(default=SETTLES_S, ge=0, le=3600)

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """The settings in `environ`, which may hold what the process's own environment only names."""
        names = {name: f"INTERLOCK_{name.upper()}" for name in cls.model_fields}
        return cls.model_validate({name: environ[named] for name, named in names.items() if environ.get(named)})

    @property
    def store_url(self) -> str:
        """The database's URL, a SQLite file under `home` unless one is named."""
        return self.database_url or f"sqlite:///{self.home / 'interlock.db'}"
