"""Which records of two systems are the same person, company or case.

What may live here: how two records are compared field by field, what each agreement is worth, which
pairs are compared at all, which records are paired, what is proven of that, and why. Whoever links
two systems for the first time, or a new record later, goes the same way:

    prepare -> blocking.candidates -> fitting.fit (once) -> scoring.weigh -> pairing.pair -> verdicts.judge

What may not: what becomes of a verdict. The crosswalk, the reviews and the merge are others'.

The model is that of Fellegi and Sunter, "A theory for record linkage", JASA 64 (1969).
"""
