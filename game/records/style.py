"""How the report looks: one style sheet for screen and paper, system fonts only."""

from __future__ import annotations

STYLE = """
:root { --ink: #24292e; --soft: #66707a; --line: #e3e7ea; --pass: #2f7d4f; --fail: #b3261e;
  --part: #d08a1d; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink);
  font: 300 15px/1.5 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 40px 28px 64px; }
h1 { font-weight: 300; font-size: 34px; line-height: 1.1; margin: 0 0 6px; }
h2 { font-weight: 400; font-size: 19px; margin: 0 0 10px; }
p { margin: 0; }
.kicker { color: var(--soft); font-size: 13px; letter-spacing: .04em; margin-bottom: 18px; }
.verdict { display: flex; gap: 30px; align-items: center; padding: 20px 26px;
  border-left: 5px solid; background: #f8f9fa; }
.verdict.pass { border-color: var(--pass); } .verdict.pass h1 { color: var(--pass); }
.verdict.fail { border-color: var(--fail); } .verdict.fail h1 { color: var(--fail); }
.total { font-size: 56px; font-weight: 200; line-height: 1; white-space: nowrap; }
.total small { font-size: 19px; color: var(--soft); }
.critical { margin-top: 18px; padding: 14px 26px; border: 1px solid var(--fail); }
.critical h2 { color: var(--fail); margin-bottom: 4px; } .critical ul { margin: 0;
  padding-left: 18px; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(190px, 1fr));
  gap: 10px 24px; margin: 22px 0 0; }
dt { color: var(--soft); font-size: 12px; } dd { margin: 0; overflow-wrap: anywhere; }
section { margin-top: 40px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; margin-bottom: 16px;
  font-variant-numeric: tabular-nums; }
th { font-weight: 400; color: var(--soft); font-size: 12px; text-align: left; }
th, td { padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: anywhere; }
th:last-child, td:last-child { padding-right: 0; }
.n { text-align: right; white-space: nowrap; }
.small table { font-size: 12px; } .small td { padding-top: 2px; padding-bottom: 2px; }
.nothing { color: var(--soft); }
.bar { display: inline-block; width: 84px; height: 7px; background: var(--line); margin-top: 7px; }
.bar i { display: block; height: 100%; background: var(--part); }
.bar.full i { background: var(--pass); }
.bar.none { outline: 1px solid var(--fail); background: #fff; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(290px, 1fr));
  gap: 18px; }
figure { margin: 0; break-inside: avoid; } img { width: 100%; display: block; }
.gallery img { background: #000; }
figcaption { color: var(--soft); font-size: 12.5px; padding-top: 5px; }
@media print {
  body { font-size: 10.5pt; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  main { max-width: none; padding: 0; } section { margin-top: 22px; }
  .gallery { grid-template-columns: repeat(3, 1fr); } h2 { break-after: avoid; }
  tr { break-inside: avoid; } thead { display: table-header-group; }
  @page { margin: 16mm; }
}
"""
