/** Second part of the page's script: the consistency meter of one backstop, as SVG, by keyboard and as a table too. */
export const PAGE_CHART = String.raw`
const MINUTE = 60000, MINUTES = 120, HEIGHT = 190, LEFT = 44, TOP = 8, SHARE = 92, VOLUME_TOP = 116, VOLUME = 48;
const choices = new Map();
const choiceOf = (name) => choices.get(name) || choices.set(name, { bound: 2, startMs: null }).get(name);
const shareOf = (period, bound) => period.shares.find((share) => share.withinSeconds === bound) || { changes: 0, share: 1 };
function windowOf(meter, atMs) {
  const last = meter.periods[meter.periods.length - 1];
  const end = (Math.floor(Math.max(atMs, last ? last.startMs : 0) / MINUTE) + 1) * MINUTE;
  const start = end - MINUTES * MINUTE;
  return { start, end, periods: meter.periods.filter((period) => period.startMs >= start) };
}
function told(period, bound) {
  const share = shareOf(period, bound);
  const missed = period.applied - share.changes;
  return clock(period.startMs) + ': ' + plural(period.applied, 'change', 'changes') + ', ' + percent(share.share) + ' within ' + bound +
    ' s (' + (missed === 0 ? 'none' : fmt(missed)) + ' later), P99 ' + span(period.p99Ms);
}
function drawing(meter, choice, atMs, width) {
  const { start, end, periods } = windowOf(meter, atMs);
  const inner = width - LEFT - 4;
  const step = inner / MINUTES;
  const x = (ms) => LEFT + ((ms - start) / (end - start)) * inner;
  const most = Math.max(1, ...periods.map((period) => period.applied));
  const line = (y) => h('line', { class: 'grid', x1: LEFT, x2: width - 4, y1: y, y2: y });
  const text = (at, y, anchor, value) => h('text', { x: at, y, 'text-anchor': anchor }, value);
  const bars = periods.map((period) => {
    const { share, changes } = shareOf(period, choice.bound);
    const missed = period.applied - changes;
    // A miss is always to be seen, however small its share.
    const miss = missed > 0 ? Math.max(5, (1 - share) * SHARE) : 0;
    const bar = { x: (x(period.startMs) + step * 0.1).toFixed(2), width: Math.max(1.5, step * 0.8).toFixed(2) };
    const volume = Math.max(2, (period.applied / most) * VOLUME);
    return h('g', { class: 'period' },
      h('rect', { class: 'hit', ...bar, y: TOP + miss, height: Math.max(0, SHARE - miss) }),
      miss > 0 && h('rect', { class: 'miss', ...bar, y: TOP, height: miss }),
      h('rect', { class: 'volume', ...bar, y: (VOLUME_TOP + VOLUME - volume).toFixed(2), height: volume.toFixed(2) }));
  });
  const chosen = periods.find((period) => period.startMs === choice.startMs);
  const at = chosen ? x(chosen.startMs) + step / 2 : 0;
  return h('svg', { width, height: HEIGHT, viewBox: '0 0 ' + width + ' ' + HEIGHT, 'aria-hidden': 'true', focusable: 'false' },
    line(TOP), line(TOP + SHARE / 2), line(TOP + SHARE), line(VOLUME_TOP + VOLUME),
    text(LEFT - 6, TOP + 8, 'end', '100 %'), text(LEFT - 6, TOP + SHARE / 2 + 4, 'end', '50 %'), text(LEFT - 6, TOP + SHARE, 'end', '0 %'),
    text(LEFT - 6, VOLUME_TOP + 9, 'end', fmt(most)), text(LEFT - 6, VOLUME_TOP + VOLUME, 'end', '0'),
    bars,
    chosen && h('line', { class: 'cursor', x1: at, x2: at, y1: TOP, y2: VOLUME_TOP + VOLUME }),
    text(LEFT, HEIGHT - 6, 'start', clock(start)), text(LEFT + inner / 2, HEIGHT - 6, 'middle', clock((start + end) / 2)),
    text(width - 4, HEIGHT - 6, 'end', clock(end)));
}
function figures(meter, choice, atMs) {
  const rows = windowOf(meter, atMs).periods.slice().reverse().map((period) => h('tr', {},
    h('td', {}, clock(period.startMs)), h('td', {}, fmt(period.applied)),
    h('td', {}, percent(shareOf(period, choice.bound).share)), h('td', {}, span(period.p99Ms))));
  const head = ['Minute', 'Changes', 'Within ' + choice.bound + ' s', 'P99'].map((name) => h('th', { scope: 'col' }, name));
  return h('details', {}, h('summary', {}, 'The same as a table'),
    h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Consistency meter by minute' },
      h('table', {}, h('thead', {}, h('tr', {}, head)), h('tbody', {}, rows))));
}
function chartOf(name, meter, atMs, width) {
  const choice = choiceOf(name);
  const { periods } = windowOf(meter, atMs);
  const chosen = periods.find((period) => period.startMs === choice.startMs);
  const total = shareOf({ shares: meter.shares }, choice.bound);
  const summary = periods.length === 0
    ? 'No row was changed in the last two hours.'
    : percent(total.share) + ' of ' + plural(meter.applied, 'change', 'changes') + ' since ' + new Date(meter.sinceMs).toLocaleString('en-GB') +
      ' were in the index within ' + choice.bound + ' s. Arrow keys, or a touch, show a minute.';
  const radio = (bound) => h('label', {}, h('input', { type: 'radio', name: 'bound-' + name, value: bound, 'data-chart': name, checked: bound === choice.bound }), bound + ' s');
  return [
    h('fieldset', {}, h('legend', {}, 'Changes in the index within'), [1, 2, 10, 60].map(radio)),
    h('div', { class: 'chart', tabindex: '0', role: 'slider', 'data-chart': name, 'aria-label': 'Consistency meter of the last two hours, minute by minute',
      'aria-valuemin': 0, 'aria-valuemax': Math.max(0, periods.length - 1), 'aria-valuenow': Math.max(0, periods.indexOf(chosen)),
      'aria-valuetext': chosen ? told(chosen, choice.bound) : summary }, drawing(meter, choice, atMs, width)),
    h('ul', { class: 'key', 'aria-hidden': 'true' },
      h('li', {}, h('span', { class: 'hit' }), 'in time'), h('li', {}, h('span', { class: 'miss' }), 'later'), h('li', {}, h('span', { class: 'volume' }), 'changes a minute')),
    h('output', { class: 'readout' }, chosen ? told(chosen, choice.bound) : summary),
    figures(meter, choice, atMs),
  ];
}
`;
