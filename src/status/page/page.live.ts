/** Last part of the page's script: the first figures, which came with the page, then server-sent events. */
export const PAGE_LIVE = String.raw`
let view = JSON.parse($('first').textContent);
let paused = false, source = null, silence = 0, said = '';
function render() {
  const { verdict, report } = view;
  // Told to screen readers when it changes, and then only.
  const words = JSON.stringify([verdict.level, verdict.findings.map(({ code, subject }) => [code, subject])]);
  if (words !== said) $('announcement').textContent = HEADLINES[verdict.level] + '. ' + plural(verdict.findings.length, 'finding', 'findings');
  morph($('verdict'), verdictOf(verdict));
  $('verdict').className = verdict.level;
  said = words;
  morph($('stores'), report.stores.map(storeCard));
  const width = Math.max(240, Math.floor($('backstops').clientWidth) - 34);
  morph($('backstops'), report.backstops.length === 0
    ? [h('p', { class: 'note' }, 'There is no backstop: import BackstopModule to follow changes around the library, and to measure.')]
    : report.backstops.map((backstop) => backstopCard(backstop, report.atMs, width)));
  $('sweeper').textContent = report.sweeper.here
    ? 'The sweeper runs in this instance each ' + span(report.sweeper.intervalMs) + '.'
    : 'The sweeper is off in this instance.';
  morph($('entities'), report.entities.map(entityCard));
  morph($('parked'), [parkedTable(report.parked)]);
  $('updated').textContent = 'As of ' + new Date(report.atMs).toLocaleTimeString('en-GB') + '. Up for ' + span(report.uptimeMs) + '.' +
    (report.entitiesLeftOut > 0 ? ' ' + plural(report.entitiesLeftOut, 'entity is', 'entities are') + ' not shown.' : '');
}
function connection(kind, text) {
  const pill = $('connection');
  if (pill.textContent !== text) pill.textContent = text;
  pill.className = 'pill ' + kind;
}
function alive() {
  clearTimeout(silence);
  // Half-open connections end in no error: no heartbeat does.
  silence = setTimeout(() => { connection('off', '✕ No answer'); connect(); }, 45000);
}
function connect() {
  if (source) source.close();
  source = new EventSource(location.pathname.replace(/\/+$/, '') + '/events');
  source.onopen = () => { connection('on', '● Live'); alive(); };
  source.addEventListener('heartbeat', alive);
  source.addEventListener('report', (event) => {
    alive();
    view = JSON.parse(event.data);
    if (!paused) render();
  });
  source.onerror = () => {
    connection('off', '✕ Disconnected');
    // A refusal (too many browsers, no longer allowed) is final for the browser; not for us.
    if (source.readyState === EventSource.CLOSED) { clearTimeout(silence); silence = setTimeout(connect, 10000); }
  };
}
function backstopNamed(name) {
  return view.report.backstops.find((backstop) => backstop.dataSource + '/' + backstop.name === name);
}
function choose(name, startMs) { choiceOf(name).startMs = startMs; render(); }
document.addEventListener('keydown', (event) => {
  const name = event.target.getAttribute && event.target.getAttribute('role') === 'slider' ? event.target.dataset.chart : null;
  if (!name) return;
  const { periods } = windowOf(backstopNamed(name).here.consistency, view.report.atMs);
  const at = periods.findIndex((period) => period.startMs === choiceOf(name).startMs);
  const last = periods.length - 1;
  const to = { ArrowLeft: at < 0 ? last : at - 1, ArrowDown: at < 0 ? last : at - 1, ArrowRight: at < 0 ? last : at + 1, ArrowUp: at < 0 ? last : at + 1, Home: 0, End: last }[event.key];
  if (event.key === 'Escape') choose(name, null);
  if (to === undefined || last < 0) return;
  event.preventDefault();
  choose(name, periods[Math.min(last, Math.max(0, to))].startMs);
});
document.addEventListener('pointerdown', (event) => {
  const chart = event.target.closest('.chart');
  if (!chart) return;
  const name = chart.dataset.chart;
  const { start, end, periods } = windowOf(backstopNamed(name).here.consistency, view.report.atMs);
  const box = chart.getBoundingClientRect();
  const ms = start + ((event.clientX - box.left - LEFT) / (box.width - LEFT - 4)) * (end - start) - MINUTE / 2;
  const near = periods.slice().sort((a, b) => Math.abs(a.startMs - ms) - Math.abs(b.startMs - ms))[0];
  if (near) choose(name, near.startMs);
});
document.addEventListener('change', (event) => {
  if (event.target.type !== 'radio') return;
  choiceOf(event.target.dataset.chart).bound = Number(event.target.value);
  render();
});
$('pause').addEventListener('click', () => {
  paused = !paused;
  $('pause').setAttribute('aria-pressed', String(paused));
  if (!paused) render();
});
addEventListener('resize', render);
// Before it is drawn, for that measures.
for (const id of ['main', 'foot']) $(id).classList.remove('waiting');
render();
connect();
`;
