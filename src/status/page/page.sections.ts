/** Third part of the page's script: each section from the report. */
export const PAGE_SECTIONS = String.raw`
const known = (answer, of) => (answer.ok ? of(answer.data) : 'not known (' + answer.error + ')');
const HEADLINES = { well: '✓ Both stores are kept consistent', degraded: '! It works, but somebody should look', down: '✕ Not ready' };
function verdictOf({ level, findings }) {
  const shown = findings.slice(0, 50).map(({ subject, text }) => h('li', {}, h('b', {}, subject), ': ' + text));
  const more = findings.length > 50 ? h('p', {}, plural(findings.length - 50, 'more finding', 'more findings')) : null;
  return [h('p', { class: 'headline' }, HEADLINES[level]),
    findings.length > 0 ? h('ul', { class: 'findings' }, shown) : h('p', { class: 'note' }, 'Nothing is parked, late, unreachable or different, as far as is known.'), more];
}
function storeCard(store) {
  const title = store.kind === 'mysql' ? 'MySQL' + (store.name === 'default' ? '' : ' (' + store.name + ')') : 'Elasticsearch';
  const detail = store.kind === 'mysql' ? pair('Version', store.version || '–') : pair('Cluster', store.health || 'not told', store.health === 'red' ? 'bad' : null);
  return h('article', { class: 'card', 'aria-label': title },
    h('div', { class: 'head' }, h('h3', {}, title), store.reachable ? badge('good', '✓ reached') : badge('bad', '✕ not reached')),
    h('dl', {}, pair('Answers in', store.latencyMs === null ? '–' : span(Math.max(1, store.latencyMs))), detail,
      store.reachable ? null : pair('For', span(store.failingForMs) + ' (' + store.error + ')', 'bad')));
}
const STATES = { leading: ['good', '✓ leads'], standby: ['none', 'stands by'], starting: ['none', 'starts'], failed: ['bad', '✕ failed'], stopped: ['warn', '! stopped'] };
function backstopCard(backstop, atMs, width) {
  const { name, here, checkpoint, led } = backstop;
  const state = here ? STATES[here.state] : ['none', 'not in this instance'];
  const leading = led === null ? 'not known' : led ? (checkpoint && checkpoint.leader) || 'just taken over' : 'nobody for ' + span(backstop.leaderlessForMs);
  const toVerify = new Set([...((here && here.toVerify) || []), ...((checkpoint && checkpoint.toVerify) || [])]);
  const refused = here ? here.tables.reduce((sum, table) => sum + table.refused, 0) : 0;
  const lag = here && here.lag;
  const late = here ? here.consistency.inconsistent : null;
  const facts = h('dl', { class: 'wide' },
    block('Leader', leading, led === false ? 'warn' : null),
    block('Lag (mean, P99)', lag ? span(lag.meanMs) + ', ' + span(lag.p99Ms) : 'only the leader knows'),
    block('Not in the index yet', here ? plural(late.rows, 'row', 'rows') + (late.rows > 0 ? ', oldest ' + span(late.oldestMs) : '') : '–'),
    block('Position', checkpoint && checkpoint.file ? checkpoint.file + ' : ' + fmt(checkpoint.position) : 'none yet'),
    block('Checkpoint saved', checkpoint ? span(checkpoint.savedAgoMs) + ' ago' : 'never'),
    block('Waiting to be verified', toVerify.size === 0 ? 'none' : [...toVerify].join(', '), toVerify.size > 0 ? 'warn' : null),
    block('Refused documents', here ? fmt(refused) : '–', refused > 0 ? 'warn' : null),
    here && here.reason ? block('Reason', here.reason, 'warn') : null);
  const chart = here && (here.state === 'leading' || here.consistency.applied > 0)
    ? chartOf(backstop.dataSource + '/' + name, here.consistency, atMs, width)
    : h('p', { class: 'note' }, 'The consistency meter is kept by the instance that leads; this one does not.');
  return h('article', { class: 'card', 'aria-label': 'Backstop ' + name },
    h('div', { class: 'head' }, h('h3', {}, name + (backstop.dataSource === 'default' ? '' : ' (' + backstop.dataSource + ')')), badge(state[0], state[1])), facts, chart);
}
function entityCard(entity) {
  const { prepare, parked, verification, lastSweep } = entity;
  const waiting = prepare.ok ? prepare.data.rows : 0;
  const differences = verification.ok && verification.data
    ? verification.data.missing + verification.data.stale + verification.data.foreign + verification.data.orphaned - verification.data.repaired : 0;
  const wrong = (parked.ok && parked.data > 0) || differences > 0;
  const unread = [prepare, parked, verification, entity.documents].some((answer) => !answer.ok);
  return h('article', { class: 'card', 'aria-label': entity.entity },
    h('div', { class: 'head' }, h('h3', {}, entity.entity + (entity.dataSource === 'default' ? '' : ' (' + entity.dataSource + ')')),
      wrong ? badge('warn', '! look') : unread ? badge('none', 'not known') : badge('good', '✓ well')),
    h('dl', {},
      pair('Table → index', entity.table + ' → ' + entity.index),
      pair('Rows', known(entity.rows, (rows) => 'about ' + fmt(rows))),
      pair('Documents', known(entity.documents, fmt)),
      pair('In prepare', known(prepare, (data) => fmt(data.rows) + (data.more ? ' or more' : '') + (data.rows > 0 ? ', oldest ' + span(data.oldestMs) : ''))),
      pair('Overdue', known(prepare, (data) => fmt(data.overdue)), waiting > 0 && prepare.data.overdue > 0 ? 'warn' : null),
      pair('Parked', known(parked, fmt), parked.ok && parked.data > 0 ? 'warn' : null),
      pair('Verified', known(verification, verified), differences > 0 ? 'warn' : null),
      pair('Last sweep here', lastSweep ? span(lastSweep.agoMs) + ' ago: ' + fmt(lastSweep.claimed) + ' claimed, ' + fmt(lastSweep.failed) + ' failed' : 'none')));
}
function verified(data) {
  if (!data) return 'never';
  const found = ['missing', 'stale', 'foreign', 'orphaned'].filter((kind) => data[kind] > 0).map((kind) => fmt(data[kind]) + ' ' + kind);
  const result = found.length === 0 ? 'no difference in ' + plural(data.rows, 'row', 'rows') : found.join(', ') + ', ' + fmt(data.repaired) + ' repaired';
  return result + (data.unchecked > 0 ? ', ' + fmt(data.unchecked) + ' unchecked' : '') + ', ' +
    (data.state === 'running' ? 'another run is under way' : span(data.agoMs) + ' ago');
}
function parkedTable(rows) {
  if (rows.length === 0) return h('p', { class: 'note' }, 'None.');
  const keys = rows.some((row) => row.key);
  const head = ['Id', 'Entity', keys ? 'Key' : null, 'Reason', 'Attempts', 'Parked'].filter(Boolean).map((name) => h('th', { scope: 'col' }, name));
  const body = rows.map((row) => h('tr', {}, h('td', {}, row.id), h('td', {}, row.entity),
    keys ? h('td', { class: 'key-cell' }, Object.entries(row.key || {}).map(([name, value]) => name + ' = ' + value).join(', ')) : null,
    h('td', {}, row.reason), h('td', {}, fmt(row.attempts)), h('td', {}, span(row.agoMs) + ' ago')));
  return h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Parked rows, the oldest first' },
    h('table', {}, h('thead', {}, h('tr', {}, head)), h('tbody', {}, body)));
}
`;
