from __future__ import annotations

from fakes import draw_signature


def test_smoke(enrolled):
    v = enrolled.verify("3", draw_signature(3, 99))
    print(v.evidence.score.value, v.evidence.decision)
    w = enrolled.verify("3", draw_signature(2, 99))
    print(w.evidence.score.value, w.evidence.decision)
    i = enrolled.identify(draw_signature(4, 99), top=3)
    print([(c.signer, c.score.value, c.decision) for c in i.candidates], i.searched)
    print(enrolled.status())
    print(enrolled.audit_check())
    print(enrolled.erase("3"))
    i = enrolled.identify(draw_signature(3, 99), top=10)
    print([(c.signer, c.score.value, c.decision) for c in i.candidates], i.searched)
    print(enrolled.audit_check())
    print(enrolled.signer("2"))
