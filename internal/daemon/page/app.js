// The board: one view, then events. Whatever a machine or a fleet says is set as text, never as markup.
'use strict';

const order = ['Failed', 'Held', 'Waiting', 'Pending', 'Installing', 'Inspecting', 'Starting', 'Orphaned', 'Protected', 'Unmanaged', 'Active'];
const mostRows = 500;
const mostNotices = 3;
const hosts = new Map();
const jobs = new Map(); // name → newest progress
let fleet = {};
let phase = '';
let shown = '';

const $ = id => document.getElementById(id);

function make(tag, text, cls) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (cls) node.className = cls;
  return node;
}

const clock = at => new Date(at).toLocaleTimeString('en-GB');
const date = at => at ? new Date(at).toLocaleString('en-GB') : '';
const short = commit => (commit || '').slice(0, 10);
const diskName = disk => disk ? disk.wwn || disk.serial || disk.path || '' : '';

function now(h) {
  if (h.hold) return h.hold.message;
  if (h.trouble) return h.trouble;
  if (h.error && h.phase === 'Failed') return h.error;
  return h.nextWhy || h.waits || '';
}

function matches(h) {
  if (phase && h.phase !== phase) return false;
  const wanted = $('filter').value.trim().toLowerCase();
  if (!wanted) return true;
  const labels = Object.entries(h.metadata.labels || {}).map(([k, v]) => k + '=' + v);
  return [h.metadata.name, h.phase, h.workload || '', ...labels].some(text => text.toLowerCase().includes(wanted));
}

function sorted() {
  return [...hosts.values()].sort((a, b) => order.indexOf(a.phase) - order.indexOf(b.phase) || a.metadata.name.localeCompare(b.metadata.name, 'en', { numeric: true }));
}

function cell(row, text, label, cls) {
  const td = make('td', text, cls);
  if (label) td.dataset.label = label;
  row.append(td);
  return td;
}

function rowOf(h) {
  const row = make('tr');
  const name = make('button', h.metadata.name);
  name.type = 'button';
  name.addEventListener('click', () => show(h.metadata.name));
  cell(row).append(name);
  cell(row, h.phase, '', 'phase ' + h.phase);
  cell(row, h.workload || '', 'workload');
  cell(row, h.installed ? short(h.installed.commit) : '', 'from');
  cell(row, h.installed ? diskName(h.installed.disk) : '', 'disk');
  const doing = cell(row, now(h));
  const job = jobs.get(h.metadata.name);
  if (h.phase === 'Installing' && job && job.total) {
    const bar = make('progress');
    bar.max = job.total;
    bar.value = job.done || 0;
    doing.append(bar, make('span', Math.floor(100 * (job.done || 0) / job.total) + '% of ' + Math.round(job.total / 1e6) + ' MB'));
  }
  return row;
}

function notice(text, held) { $('notices').append(make('p', text, held ? 'notice held' : 'notice')); }

function drawNotices() {
  $('notices').replaceChildren();
  if (fleet.source) notice('The fleet cannot be read: ' + fleet.source);
  if (fleet.frozen) notice('Nothing is erased until an operator has looked: ' + fleet.frozen);
  if (fleet.paused) notice('Nothing begins: ' + fleet.paused);
  if (fleet.publish) notice('The status branch cannot be pushed: ' + fleet.publish);
  if (fleet.refused) notice('Commit ' + short(fleet.refused) + ' is refused and changes nothing: ' + (fleet.findings || []).join(' · '));
  const held = sorted().filter(h => h.hold && h.hold.consent);
  for (const h of held.slice(0, mostNotices)) {
    notice(h.metadata.name + ': ' + h.hold.message + '. To allow it: ', true);
    $('notices').lastChild.append(make('code', 'consent: {erase: "' + h.hold.consent + '"}'));
  }
  if (held.length > mostNotices) notice('…and ' + (held.length - mostNotices) + ' more hosts wait for consent', true);
}

function drawPhases() {
  const counts = new Map();
  for (const h of hosts.values()) counts.set(h.phase, (counts.get(h.phase) || 0) + 1);
  $('phases').replaceChildren(...order.filter(p => counts.has(p)).map(p => {
    const button = make('button');
    button.type = 'button';
    button.setAttribute('aria-pressed', String(phase === p));
    button.append(make('b', counts.get(p), p), p);
    button.addEventListener('click', () => { phase = phase === p ? '' : p; draw(); });
    return button;
  }));
}

function drawRings() {
  const rings = fleet.rings || [];
  $('rings').hidden = rings.length === 0;
  $('rings-body').replaceChildren(...rings.map(r => {
    const row = make('tr');
    cell(row, r.name, '', 'name');
    cell(row, (r.tag || 'trunk') + ' ' + short(r.commit), 'release');
    const done = cell(row, r.done + ' of ' + r.hosts, 'done');
    const bar = make('progress');
    bar.max = r.hosts || 1;
    bar.value = r.done;
    done.append(bar);
    cell(row, (r.changing || []).join(', '), 'changing');
    cell(row, r.paused ? 'paused: ' + r.paused : r.trouble || [r.held, r.failed].flat().filter(Boolean).join(', '), '');
    return row;
  }));
}

function draw() {
  $('commit').textContent = fleet.commit ? 'fleet at ' + short(fleet.commit) + ' ' + (fleet.title || '') : 'no commit accepted yet';
  drawNotices();
  drawPhases();
  drawRings();
  const rows = sorted().filter(matches);
  $('hosts').replaceChildren(...rows.slice(0, mostRows).map(rowOf));
  $('more').hidden = rows.length <= mostRows;
  $('more').textContent = '…and ' + (rows.length - mostRows) + ' more: filter to see them';
  if (shown) drawHost();
}

let due = false;
function redraw() {
  if (due) return;
  due = true;
  setTimeout(() => { due = false; draw(); }, 250);
}

function fact(name, value) {
  if (value === undefined || value === '') return;
  $('host-facts').append(make('dt', name), make('dd', String(value)));
}

function drawHost() {
  const h = hosts.get(shown);
  if (!h) return;
  $('host-name').textContent = h.metadata.name;
  $('host-hold').replaceChildren();
  if (h.hold) {
    const p = make('p', h.hold.message, 'notice held');
    if (h.hold.consent) p.append(make('br'), make('code', 'consent: {erase: "' + h.hold.consent + '"}'));
    $('host-hold').append(p);
  }
  if (h.error) $('host-hold').append(make('p', h.error, 'notice'));
  $('host-facts').replaceChildren();
  fact('phase', h.phase);
  fact('now', now(h));
  fact('file', h.file);
  fact('labels', Object.entries(h.metadata.labels || {}).map(([k, v]) => k + '=' + v).join(', '));
  fact('power', h.power);
  fact('ring', h.ring);
  fact('pending', h.pending);
  if (h.installed) {
    fact('installed', h.installed.workload + ' from ' + short(h.installed.commit) + ' at ' + date(h.installed.at));
    fact('disk', diskName(h.installed.disk));
    fact('phoned home', date(h.installed.phoneHome));
  }
  if (h.hardware && h.hardware.system) {
    fact('machine', [h.hardware.system.manufacturer, h.hardware.system.product, h.hardware.system.serial].filter(Boolean).join(' '));
  }
}

async function readStory(name) {
  const answer = await fetch('v1/hosts/' + encodeURIComponent(name) + '/story');
  if (!answer.ok || name !== shown) return;
  const story = await answer.json();
  $('host-story').replaceChildren(...story.steps.slice().reverse().map(step => {
    const item = make('li');
    item.append(make('time', clock(step.at)), make('span', step.phase, 'phase ' + step.phase), make('span', step.text));
    return item;
  }));
  $('host-console').textContent = story.console.join('\n') || 'Nothing was said since the daemon started.';
  $('host-console').scrollTop = $('host-console').scrollHeight;
}

function show(name) {
  shown = name;
  location.hash = name;
  $('host').hidden = false;
  drawHost();
  readStory(name);
}

function close() {
  shown = '';
  history.replaceState(null, '', location.pathname);
  $('host').hidden = true;
}

function take(event) {
  if (event.fleet) fleet = event.fleet;
  if (event.host) hosts.set(event.host.metadata.name, event.host);
  if (event.job) jobs.set(event.name, event.job);
  const name = event.host ? event.host.metadata.name : event.name;
  if (name && name === shown) readStory(name);
  redraw();
}

// follow reads the stream of events, a JSON value a line, and begins again when it ends.
async function follow() {
  for (;;) {
    try {
      const answer = await fetch('v1/events');
      const reader = answer.body.getReader();
      const decoder = new TextDecoder();
      $('connection').textContent = '';
      hosts.clear();
      for (let rest = ''; ;) {
        const { value, done } = await reader.read();
        if (done) break;
        const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
        rest = lines.pop();
        lines.filter(Boolean).forEach(line => take(JSON.parse(line)));
      }
    } catch { /* the daemon is away: said below */ }
    $('connection').textContent = 'The daemon does not answer; what you see is old.';
    await new Promise(resolve => setTimeout(resolve, 2000));
  }
}

$('filter').addEventListener('input', redraw);
$('close').addEventListener('click', close);
document.addEventListener('keydown', event => { if (event.key === 'Escape') close(); });
if (location.hash.length > 1) show(decodeURIComponent(location.hash.slice(1)));
follow();
