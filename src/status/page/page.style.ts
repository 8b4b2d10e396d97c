/** Light and dark by the reader's own setting; every colour pair has a contrast of 4.5 or more. */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --back: #f5f6f8; --card: #ffffff; --line: #d5d9e0; --text: #16202c; --soft: #556070;
  --good: #0b6e4f; --good-back: #e0f3ec; --warn: #8a4b00; --warn-back: #fdf0db; --bad: #a3182c; --bad-back: #fce4e7;
  --bar: #1f8a6d; --miss: #d9480f; --volume: #8793a5; --focus: #1554c0; --grid: #e4e7ec;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #10151c; --card: #19212b; --line: #303b49; --text: #e8edf3; --soft: #a3afbe;
    --good: #6fd9b4; --good-back: #143229; --warn: #ffc069; --warn-back: #3a2a10; --bad: #ff9aa5; --bad-back: #41191f;
    --bar: #4cc39d; --miss: #ff8a4c; --volume: #728096; --focus: #8ab4ff; --grid: #2a3441;
  }
}
* { box-sizing: border-box; }
html { font: 16px/1.5 system-ui, sans-serif; background: var(--back); color: var(--text); scrollbar-gutter: stable; -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 1rem clamp(0.75rem, 3vw, 2rem) 2rem; max-width: 76rem; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: 0; }
h2 { font-size: 1.05rem; margin: 1.75rem 0 0.6rem; }
h3 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; }
p { margin: 0; }
header { display: flex; flex-wrap: wrap; gap: 0.75rem 1rem; justify-content: space-between; align-items: center; margin-bottom: 1rem; }
.sub, .note, dt { color: var(--soft); font-size: 0.875rem; }
.live { display: flex; gap: 0.5rem; align-items: center; }
.pill, .badge { border: 1px solid currentColor; border-radius: 999px; padding: 0.1rem 0.7rem; font-size: 0.875rem; white-space: nowrap; }
.pill { min-width: 8.5rem; text-align: center; color: var(--soft); }
.pill.on { color: var(--good); }
.pill.off { color: var(--bad); }
button { font: inherit; font-size: 0.875rem; min-width: 6rem; min-height: 2.25rem; color: var(--text); background: var(--card); border: 1px solid var(--soft); border-radius: 0.5rem; cursor: pointer; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
main:focus { outline: none; }
.skip { position: absolute; left: -99rem; background: var(--card); color: var(--text); padding: 0.5rem 1rem; }
.skip:focus { left: 1rem; top: 0.5rem; z-index: 1; }
/* The browser may paint before the script has filled the sections: what is seen then would jump. */
.waiting { display: none; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
#verdict { min-height: 6.5rem; border: 1px solid var(--line); border-left: 0.5rem solid var(--soft); border-radius: 0.75rem; background: var(--card); padding: 0.8rem 1rem; }
#verdict.well { border-left-color: var(--good); }
#verdict.degraded { border-left-color: var(--warn); }
#verdict.down { border-left-color: var(--bad); }
.headline { font-size: 1.25rem; font-weight: 650; }
.well .headline { color: var(--good); }
.degraded .headline { color: var(--warn); }
.down .headline { color: var(--bad); }
.findings { margin: 0.35rem 0 0; padding-left: 1.2rem; }
.findings b { overflow-wrap: anywhere; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); gap: 0.75rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 0.75rem; padding: 0.8rem 1rem; min-width: 0; }
.card + .card { margin-top: 0; }
.stack > .card + .card { margin-top: 0.75rem; }
.head { display: flex; gap: 0.5rem; justify-content: space-between; align-items: center; margin-bottom: 0.35rem; }
.badge { font-weight: 600; }
.badge.good { color: var(--good); background: var(--good-back); }
.badge.warn { color: var(--warn); background: var(--warn-back); }
.badge.bad { color: var(--bad); background: var(--bad-back); }
.badge.none { color: var(--soft); }
dl { margin: 0; display: grid; grid-template-columns: minmax(7rem, auto) 1fr; gap: 0.15rem 0.75rem; align-items: baseline; font-variant-numeric: tabular-nums; }
dl.wide { grid-template-columns: repeat(auto-fill, minmax(min(100%, 8.5rem), 1fr)); gap: 0.5rem 1rem; }
dl.wide > div { min-width: 0; }
dd { margin: 0; overflow-wrap: anywhere; }
dd.warn { color: var(--warn); font-weight: 600; }
dd.bad { color: var(--bad); font-weight: 600; }
fieldset { border: 0; margin: 0.9rem 0 0.4rem; padding: 0; display: flex; flex-wrap: wrap; gap: 0.25rem 0.9rem; align-items: center; }
legend { float: left; padding: 0; margin-right: 0.9rem; color: var(--soft); font-size: 0.875rem; }
label { display: inline-flex; gap: 0.35rem; align-items: center; min-height: 2rem; font-size: 0.875rem; }
input { width: 1.1rem; height: 1.1rem; margin: 0; accent-color: var(--bar); }
.chart { height: 190px; border-radius: 0.4rem; cursor: crosshair; touch-action: pan-y; }
.chart svg { display: block; width: 100%; height: 190px; }
.chart text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
.hit { fill: var(--bar); }
.miss { fill: var(--miss); }
.volume { fill: var(--volume); }
.grid { stroke: var(--grid); }
.cursor { stroke: var(--text); stroke-width: 1.5; }
.readout { display: block; min-height: 3rem; margin-top: 0.35rem; font-variant-numeric: tabular-nums; font-size: 0.875rem; }
.key { display: flex; flex-wrap: wrap; gap: 0.2rem 1rem; list-style: none; padding: 0; margin: 0.3rem 0 0; font-size: 0.8125rem; color: var(--soft); }
.key span { display: inline-block; width: 0.8rem; height: 0.8rem; border-radius: 2px; margin-right: 0.35rem; vertical-align: -1px; }
.key .hit { background: var(--bar); }
.key .miss { background: var(--miss); }
.key .volume { background: var(--volume); }
details { margin-top: 0.5rem; font-size: 0.875rem; }
summary { cursor: pointer; min-height: 2rem; display: list-item; }
.scroll { overflow: auto; max-height: 20rem; border: 1px solid var(--line); border-radius: 0.5rem; }
table { border-collapse: collapse; width: 100%; font-size: 0.875rem; font-variant-numeric: tabular-nums; background: var(--card); }
th, td { text-align: left; padding: 0.4rem 0.75rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
td.key-cell { white-space: normal; overflow-wrap: anywhere; min-width: 8rem; }
tr:last-child > td { border-bottom: 0; }
footer { margin-top: 1.5rem; }
#sweeper { margin-bottom: 0.5rem; }
dl + .note { margin-top: 0.6rem; }
@media (min-width: 48rem) { dl.wide { grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); } }
@media (max-width: 30rem) { legend { width: 100%; } }
@media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth; } }
@media (forced-colors: active) { .hit, .volume { fill: CanvasText; } .miss { fill: Highlight; } }
`;
