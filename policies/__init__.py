"""What the business may change: one YAML file a workflow.

What may live here: the policy files, their labelled examples and calibration records, and
the code that reads and checks them (models, loader, rules, templates). What may not:
Prefect, HTTP, SQL, or anything that talks to another process.
"""
