"""Language models behind one port: any OpenAI-compatible endpoint, or the embedded one."""
