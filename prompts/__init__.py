"""What models are told and reviewers are asked: Jinja2 templates, and their renderers.

What may live here: a folder a prompt with its templates, and `render.py`. A prompt says
about routes only what is rendered from the policy. What may not: Prefect, HTTP, SQL, or a
prompt written in code.
"""
