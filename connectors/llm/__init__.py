"""Language models behind one port: any OpenAI-compatible endpoint, or the embedded one.

What may live here: a file an endpoint's protocol, and what turns its answers into labels
with probabilities. What may not: prompts, thresholds, retries over time.
"""
