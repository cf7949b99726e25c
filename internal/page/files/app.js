// The board: everything there is, then events. Whatever a machine or a fleet says is set as text, never as markup.
'use strict';

const order = ['Failed', 'Held', 'Waiting', 'Pending', 'Installing', 'Retiring', 'Inspecting', 'Running', 'Starting', 'Maintaining', 'Orphaned', 'Protected', 'Retired', 'Unmanaged', 'Active'];
const rank = new Map(order.map((name, i) => [name, i]));
const most = { rows: 500, people: 20, alike: 10, findings: 20, names: 8 };
const byName = new Intl.Collator('en', { numeric: true }).compare;

let hosts = new Map(); // id → newest view
let coming = null; // what a stream that just began has told so far
let fleet = null;
const jobs = new Map(); // id → newest progress
let phase = ''; // the only one shown
let only = ''; // the group that is shown alone
let shown = ''; // the host in the panel

const $ = id => document.getElementById(id);

function make(tag, text, cls) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (cls) node.className = cls;
  return node;
}

const short = commit => (commit || '').slice(0, 10);
const moment = at => at ? new Date(at).toLocaleString('sv-SE') : ''; // 2026-01-02 03:04:05
const diskName = disk => disk ? disk.wwn || disk.serial || disk.path || '' : '';
const rankOf = h => rank.get(h.phase) ?? -1;
// runBy names the daemon that runs the fleet, for people.
const runBy = d => d ? ', run by the daemon on ' + (d.host || 'an unnamed machine') + ' since ' + d.since + ' (life ' + d.life.number + ')' : '';

// idOf is who a host is; labelOf is what people call it, with the id where that is another one.
const idOf = h => h.metadata.id || h.metadata.name;
const labelOf = h => h.metadata.name + (h.metadata.id ? ' (id ' + h.metadata.id + ')' : '');

// groupOf names the group of a host: the hosts for which the same one thing is to be done, as on the board of the status branch.
const groupOf = h => JSON.stringify([h.phase, causeOf(h), workloadOf(h)]);
const causeOf = h => (h.cause && h.cause.cause) || (h.hold && h.hold.reason) || '';
const workloadOf = h => (h.hold && h.hold.consent && h.workload) || ''; // where one command answers for all of its hosts

const place = name => '#' + encodeURIComponent(name);

function few(names) {
  const all = names || [];
  return all.slice(0, most.names).join(', ') + (all.length > most.names ? ' and ' + (all.length - most.names) + ' more' : '');
}

function link(id, label) {
  const a = make('a', label);
  a.href = place(id);
  a.dataset.key = id;
  return a;
}

// fill gives parent a node for each item. Those that read the same stay, and the focus stays where it was.
function fill(parent, items, build) {
  const before = parent.kept || new Map();
  parent.kept = new Map();
  const nodes = items.map(item => {
    const reads = JSON.stringify(item);
    const old = before.get(item.key);
    const node = old && old.reads === reads ? old.node : build(item);
    parent.kept.set(item.key, { reads, node });
    return node;
  });
  if (nodes.length === parent.children.length && nodes.every((node, i) => node === parent.children[i])) return;
  const focused = parent.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  parent.replaceChildren(...nodes);
  if (focused === undefined) return;
  const again = [...parent.querySelectorAll('a, button')].find(node => node.dataset.key === focused);
  if (again) again.focus({ preventScroll: true });
}

// set changes a text only when it reads differently, so that it is read out once.
function set(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}

function cell(row, text, label, cls) {
  const td = make('td', text, cls);
  td.setAttribute('role', 'cell');
  if (label) td.dataset.label = label;
  row.append(td);
  return td;
}

function row() {
  const tr = make('tr');
  tr.setAttribute('role', 'row');
  return tr;
}

function bar(done, total, label) {
  const node = make('progress');
  node.max = total || 1;
  node.value = done || 0;
  node.setAttribute('aria-label', label);
  return node;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // only pages from https and this machine have a clipboard
    const area = make('textarea', text);
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
  set('said', '');
  set('said', 'Copied: ' + text);
}

// allowed says what a person may do to let a held host go on.
function allowed(node, name, hold, file) {
  if (hold && hold.consent) node.append(allow(name, 'consent', 'To allow it, in ' + (file || 'its file') + ':', 'consent: {erase: ' + JSON.stringify(hold.consent) + '}'));
  if (hold && hold.countersign) node.append(allow(name, 'commands', 'To sign the tag too, somebody else who may sign tags runs:', hold.countersign.join(' && ')));
}

// allow is a text to copy.
function allow(name, what, words, text) {
  const box = make('div', undefined, 'consent');
  const button = make('button', 'Copy');
  button.type = 'button';
  button.dataset.key = 'copy ' + what + ' ' + name;
  button.setAttribute('aria-label', 'Copy the ' + what + ' of ' + name);
  button.addEventListener('click', async () => {
    await copy(text);
    button.textContent = 'Copied';
    setTimeout(() => { button.textContent = 'Copy'; }, 2000);
  });
  box.append(make('span', words), make('code', text), button);
  return box;
}

// stepOf says which step of an operation is due, where there are several.
function stepOf(op) {
  const steps = (op && op.stage === 'Working' && op.steps) || [];
  const at = (op && op.cursor) || 0;
  return steps.length > 1 && at < steps.length ? 'step ' + (at + 1) + ' of ' + steps.length + ' ' + steps[at].name : '';
}

function now(h) {
  if (h.hold) return h.hold.message;
  if (h.trouble) return h.trouble;
  if (h.error && h.phase === 'Failed') return h.error;
  return [stepOf(h.operation), h.nextWhy || h.waits || h.pending].filter(Boolean).join(': ');
}

function matches(h) {
  if (phase && h.phase !== phase || only && groupOf(h) !== only) return false;
  const wanted = $('filter').value.trim().toLowerCase();
  if (!wanted) return true;
  const labels = Object.entries(h.metadata.labels || {}).map(([k, v]) => k + '=' + v);
  return [labelOf(h), h.phase, h.workload || '', h.ring || '', ...labels].some(text => text.toLowerCase().includes(wanted));
}

function sorted() {
  return [...hosts.values()].sort((a, b) => rankOf(a) - rankOf(b) || byName(a.metadata.name, b.metadata.name));
}

function drawNotices() {
  const items = [];
  const say = (key, text, findings) => items.push({ key, text, findings });
  if (fleet.another) say('another', 'Nothing is done: ' + fleet.another);
  if (fleet.source && fleet.source !== fleet.frozen) say('source', 'The fleet cannot be read: ' + fleet.source);
  if (fleet.frozen) say('frozen', 'Nothing is erased until an operator has looked: ' + fleet.frozen);
  if (fleet.paused) say('paused', 'Nothing begins: ' + fleet.paused);
  if (fleet.publish) say('publish', 'The status branch cannot be pushed: ' + fleet.publish);
  if (fleet.refused) say('refused', 'Commit ' + short(fleet.refused) + ' is refused and changes nothing:', fleet.findings || []);
  fill($('notices'), items, item => {
    const node = make('div', item.text, 'notice');
    if (!item.findings) return node;
    const list = make('ul');
    list.append(...item.findings.slice(0, most.findings).map(finding => make('li', finding)));
    if (item.findings.length > most.findings) list.append(make('li', '…and ' + (item.findings.length - most.findings) + ' more'));
    node.append(list);
    return node;
  });
}

function drawPhases() {
  const counts = new Map();
  for (const h of hosts.values()) counts.set(h.phase, (counts.get(h.phase) || 0) + 1);
  const items = order.filter(p => counts.has(p) || p === phase).map(p => ({ key: p, count: counts.get(p) || 0, pressed: p === phase }));
  fill($('phases'), items, item => {
    const button = make('button');
    button.type = 'button';
    button.dataset.key = item.key;
    button.setAttribute('aria-pressed', String(item.pressed));
    button.append(make('b', item.count, item.key), ' ', item.key);
    button.addEventListener('click', () => { phase = phase === item.key ? '' : item.key; draw(); });
    return button;
  });
}

// splitLarge gives the groups of more hosts that need a look than are shown one by one, and the other hosts.
function splitLarge(all) {
  const groups = new Map();
  for (const h of all.filter(h => h.hold || h.error)) {
    const key = groupOf(h);
    groups.set(key, [...groups.get(key) || [], h]);
  }
  const large = new Map([...groups].filter(([, of]) => of.length > most.alike));
  return { large, others: all.filter(h => !large.has(groupOf(h)) || !(h.hold || h.error)) };
}

// aboutGroup says what a line for many hosts shows.
function aboutGroup([key, of]) {
  const [h] = of;
  return {
    key: 'group ' + key, group: key, count: of.length, phase: h.phase, cause: causeOf(h), names: few(of.map(labelOf)), text: h.hold ? h.hold.message : h.error,
    command: workloadOf(h) ? 'ingot consent --workload ' + workloadOf(h) : '',
  };
}

// listing is a button that shows the hosts of a group alone.
function listing(item) {
  const button = make('button', 'List the ' + item.count + ' hosts');
  button.type = 'button';
  button.dataset.key = item.key;
  button.addEventListener('click', () => {
    only = item.group;
    phase = '';
    draw();
    $('hosts-title').scrollIntoView();
  });
  return button;
}

function drawGroup(item) {
  const node = make('li');
  node.append(make('b', item.count + ' hosts'), ' ', make('span', item.phase, 'phase ' + item.phase), ' ' + item.cause + ': ' + item.names);
  node.append(make('div', 'The first: ' + item.text), listing(item));
  if (item.command) node.append(allow(item.count + ' hosts', 'command', 'To allow it for all, in a clone of the fleet:', item.command));
  return node;
}

function drawPeople(all) {
  const { large, others } = splitLarge(all);
  const items = [...large].map(aboutGroup).concat(others.filter(h => h.hold || h.error).map(h => ({
    key: idOf(h), label: labelOf(h), phase: h.phase, text: h.hold ? h.hold.message : h.error, hold: h.hold, file: h.file,
  })));
  const people = all.filter(h => h.hold || h.error).length;
  $('people').hidden = items.length === 0;
  $('people-more').hidden = items.length <= most.people;
  set('people-more', '…and ' + (items.length - most.people) + ' more: choose a phase above to see them');
  fill($('people-list'), items.slice(0, most.people), item => {
    if (item.group) return drawGroup(item);
    const node = make('li');
    node.append(link(item.key, item.label), ' ', make('span', item.phase, 'phase ' + item.phase), make('div', item.text));
    allowed(node, item.label, item.hold, item.file);
    return node;
  });
  const title = people ? '(' + people + ') ingot' : 'ingot';
  if (document.title !== title) document.title = title;
}

// phasesOf counts the phases of each ring's hosts, in words; those of hosts without a ring are under ''.
function phasesOf(all) {
  const rings = new Map();
  for (const h of all) {
    const counts = rings.get(h.ring || '') || new Map();
    rings.set(h.ring || '', counts.set(h.phase, (counts.get(h.phase) || 0) + 1));
  }
  return ring => order.filter(p => rings.has(ring) && rings.get(ring).has(p)).map(p => rings.get(ring).get(p) + ' ' + p).join(', ');
}

function drawRings(all) {
  const rings = fleet.rings || [];
  $('rings').hidden = rings.length === 0;
  const phases = phasesOf(all);
  const items = rings.map(r => ({
    key: r.name, phases: phases(r.name), release: (r.tag || 'trunk') + ' ' + short(r.commit), done: r.done, hosts: r.hosts, changing: few(r.changing), trouble: few([...r.held || [], ...r.failed || []]),
    now: r.paused ? 'paused: ' + r.paused : r.trouble || (r.waiting ? 'waiting for their turn: ' + r.waiting : ''),
  }));
  if (phases('')) items.push({ key: '', phases: phases('') });
  fill($('rings-body'), items, item => {
    const tr = row();
    cell(tr, item.key || 'no ring', '', 'phase');
    cell(tr, item.release, 'release');
    const done = cell(tr, item.key ? item.done + ' of ' + item.hosts : '', 'done');
    if (item.key) done.append(bar(item.done, item.hosts, 'done in ring ' + item.key));
    cell(tr, item.phases, 'hosts');
    cell(tr, item.changing, 'changing');
    cell(tr, item.trouble, 'held or failed');
    cell(tr, item.now);
    return tr;
  });
}

// drawCommits says what came of the last commits, as the board on the status branch does.
function drawCommits(all) {
  const commits = fleet.commits || [];
  $('commits').hidden = commits.length === 0;
  const items = commits.map(c => ({ key: c.commit, title: c.title || '', installed: [], installing: [], failed: [], held: [] }));
  const of = new Map(items.map(item => [item.key, item]));
  const add = (commit, what, h) => { if (of.has(commit)) of.get(commit)[what].push(h.metadata.name); };
  for (const h of all) {
    if (h.hold && h.hold.consent) add(h.commit, 'held', h);
    if (h.operation) add(h.operation.commit, 'installing', h);
    else if (h.installed) add(h.installed.commit, 'installed', h);
    else if (h.lastOperation && h.lastOperation.outcome === 'Quarantined') add(h.lastOperation.commit, 'failed', h);
  }
  const texts = items.map(item => ({ ...item, installed: few(item.installed), installing: few(item.installing), failed: few(item.failed), held: few(item.held) }));
  fill($('commits-body'), texts, item => {
    const tr = row();
    cell(tr).append(make('code', short(item.key)));
    cell(tr, item.title);
    cell(tr, item.installed, 'installed on');
    cell(tr, item.installing, 'installing');
    cell(tr, item.failed, 'failed on');
    cell(tr, item.held, 'wait for consent');
    return tr;
  });
}

// drawActs says what operators had the daemon do.
function drawActs() {
  const acts = fleet.acts || [];
  $('acts').hidden = acts.length === 0;
  fill($('acts-list'), acts.map((act, n) => ({ key: act.at + ' ' + n, text: moment(act.at) + ' ' + act.by + ' ' + act.what })), item => make('li', item.text));
}

function drawHosts(all) {
  const wanted = all.filter(matches);
  const narrow = phase || only || $('filter').value.trim();
  const { large, others } = narrow ? { large: new Map(), others: wanted } : splitLarge(wanted);
  const items = others.slice(0, most.rows).map(h => {
    const job = h.phase === 'Installing' || h.phase === 'Retiring' ? jobs.get(idOf(h)) || h.write : undefined;
    return {
      key: idOf(h), label: labelOf(h), phase: h.phase, workload: h.workload || '', from: h.installed ? short(h.installed.commit) : '', disk: h.installed ? diskName(h.installed.disk) : '',
      now: now(h), done: job && job.total ? job.done || 0 : 0, total: job && job.total ? job.total : 0,
    };
  });
  fill($('hosts-body'), [...[...large].map(aboutGroup), ...items], item => {
    const tr = row();
    if (item.group) {
      cell(tr).append(listing(item));
      cell(tr, item.phase, '', 'phase ' + item.phase);
      for (const empty of ['', '', '']) cell(tr, empty);
      cell(tr, item.cause);
      return tr;
    }
    cell(tr).append(link(item.key, item.label));
    cell(tr, item.phase, '', 'phase ' + item.phase);
    cell(tr, item.workload, 'workload');
    cell(tr, item.from, 'from', 'commit');
    cell(tr, item.disk, 'disk', 'disk');
    const doing = cell(tr, item.now);
    if (item.total) {
      doing.append(bar(item.done, item.total, 'written to ' + item.key), make('span', Math.floor(100 * item.done / item.total) + '% of ' + Math.round(item.total / 1e6) + ' MB'));
    }
    return tr;
  });
  $('hosts').hidden = items.length + large.size === 0;
  drawOnly(wanted.length);
  let more = '';
  if (hosts.size === 0) more = 'There are no hosts yet. Those of the accepted commit appear here.';
  else if (wanted.length === 0) more = 'No host is like that. ' + hosts.size + ' are known.';
  else if (others.length > most.rows) more = '…and ' + (others.length - most.rows) + ' more: filter to see them';
  set('hosts-more', more);
}

// drawOnly says that the hosts of one group are shown alone, and how to see all again.
function drawOnly(count) {
  const [of, cause] = only ? JSON.parse(only) : [];
  fill($('hosts-only'), only ? [{ key: 'only', of, cause, count }] : [], item => {
    const node = make('p', item.count + ' hosts: ' + item.of + ' ' + item.cause + '. In a terminal: ');
    const button = make('button', 'Show all hosts');
    button.type = 'button';
    button.dataset.key = 'all hosts';
    button.addEventListener('click', () => { only = ''; draw(); });
    node.append(make('code', 'ingot status --phase ' + item.of + (item.cause ? ' --cause ' + item.cause : '')), ' ', button);
    return node;
  });
}

function draw() {
  if (!fleet) return;
  const commit = fleet.commit ? 'fleet at ' + short(fleet.commit) + ' ' + (fleet.title || '') : fleet.frozen ? 'no commit is accepted since the daemon started' : 'no commit is accepted yet';
  set('commit', commit + runBy(fleet.daemon));
  const all = sorted();
  drawNotices();
  drawPhases();
  drawPeople(all);
  drawRings(all);
  drawCommits(all);
  drawActs();
  drawHosts(all);
  drawHost();
}

// redraw draws soon. Where drawing takes long, it happens less often.
let due = false;
let took = 0;
function redraw() {
  if (due || coming) return;
  due = true;
  setTimeout(() => {
    due = false;
    const start = performance.now();
    draw();
    took = performance.now() - start;
  }, Math.max(250, 4 * took));
}

// logs are the collected texts of the shown host's operation.
let logs = [];

function facts(h) {
  const all = [
    ['phase', h.phase], ['now', h.hold || h.error ? '' : now(h)], ['file', h.file], ['labels', Object.entries(h.metadata.labels || {}).map(([k, v]) => k + '=' + v).join(', ')],
    ['cause', h.cause && h.cause.why], ['to do', h.cause && h.cause.do], ['ring', h.ring], ['pending', h.pending], ['due', moment(h.due)], ['power', h.power],
  ];
  for (const c of h.conditions || []) all.push([c.type.toLowerCase(), c.status + (c.reason ? ' (' + c.reason + ')' : '') + ' since ' + moment(c.since)]);
  if (h.installed) {
    all.push(['installation', h.installed.workload + ' from ' + short(h.installed.commit) + ' at ' + moment(h.installed.at)]);
    all.push(['disk', diskName(h.installed.disk)], ['phoned home', moment(h.installed.phoneHome)]);
  }
  const steps = ((h.operation || h.lastOperation || {}).steps || []).map((step, i) => ({ ...step, name: (i + 1) + ' ' + (step.id || step.name) }));
  const failed = steps.filter(step => step.state === 'Failed'), left = steps.filter(step => step.state !== 'Done' && step.state !== 'Skipped');
  if (failed.length) all.push(['failed step', failed.map(step => step.name).join(', ') + ' of ' + steps.length], ['steps left', left.map(step => step.name).join(', ')]);
  all.push(['logs', logs.map(kept => kept.text).join('; ')]);
  const system = h.hardware && h.hardware.system;
  if (system) all.push(['machine', [system.manufacturer, system.product, system.serial].filter(Boolean).join(' ')]);
  return all.filter(([, value]) => value).map(([key, value]) => ({ key, value: String(value) }));
}

function drawHost() {
  if (!shown) return;
  const h = hosts.get(shown);
  set('host-name', h ? labelOf(h) : shown);
  const words = [];
  if (h && h.hold) words.push({ key: 'hold', text: h.hold.message, held: true, hold: h.hold, file: h.file });
  if (h && h.error) words.push({ key: 'error', text: h.error });
  if (!h && fleet) words.push({ key: 'none', text: 'There is no host of this name.' });
  fill($('host-hold'), words, item => {
    const node = make('div', item.text, item.held ? 'notice held' : 'notice');
    allowed(node, h ? labelOf(h) : shown, item.hold, item.file);
    return node;
  });
  fill($('host-facts'), h ? facts(h) : [], item => {
    const pair = document.createElement('div');
    pair.append(make('dt', item.key), make('dd', item.value));
    return pair;
  });
}

const untold = { steps: [], console: [], serial: { state: '', text: '', lines: [] } };

// readStory reads the shown host's timeline and consoles, at most twice a second; a serial console that is read goes on without events.
let reading = false;
let readAgain = false;
let next = 0; // timer
async function readStory() {
  if (reading) { readAgain = true; return; }
  reading = true;
  clearTimeout(next);
  try {
    do {
      readAgain = false;
      const name = shown;
      const answer = name && await fetch('v1/hosts/id:' + encodeURIComponent(name) + '/story');
      const story = answer && answer.ok ? await answer.json() : untold;
      if (name === shown) drawStory(story);
      if (name && story.serial.state !== 'off') next = setTimeout(readStory, 2000);
      await new Promise(resolve => setTimeout(resolve, 500));
    } while (readAgain);
  } catch { // the daemon is away: the stream of events says so
  } finally {
    reading = false;
  }
}

function drawStory(story) {
  logs = story.logs || [];
  const steps = story.steps.map((step, i) => ({ key: i + ' ' + step.at, ...step })).reverse();
  fill($('host-story'), steps, step => {
    const item = make('li');
    const time = make('time', moment(step.at));
    time.dateTime = step.at;
    item.append(time, make('span', step.phase, 'phase ' + step.phase), make('span', step.text));
    return item;
  });
  write('host-console', story.console.join('\n') || 'Its jobs said nothing since the daemon started.');
  drawSerial(story.serial);
}

function drawSerial(serial) {
  set('serial-text', serial.text);
  $('serial-text').className = serial.state === 'waits' ? 'Waiting' : 'more';
  const none = serial.lines.length === 0;
  $('host-serial').hidden = none && serial.state !== 'reads';
  $('serial-more').hidden = none;
  if (shown) $('serial-whole').href = 'v1/hosts/id:' + encodeURIComponent(shown) + '/console';
  write('host-serial', none ? 'It said nothing yet.' : serial.lines.join('\n'));
}

// loose are the consoles whose end somebody scrolled away from.
const loose = new Set();
for (const id of ['host-serial', 'host-console']) {
  $(id).addEventListener('scroll', event => {
    const { scrollTop, clientHeight, scrollHeight } = event.target;
    if (scrollTop + clientHeight >= scrollHeight - 4) loose.delete(id);
    else loose.add(id);
  });
}

// write changes what a console says, and stays at its end unless somebody scrolled away; what is chosen to be copied is left as it is.
function write(id, text) {
  const node = $(id);
  const chosen = getSelection();
  if (!chosen.isCollapsed && node.contains(chosen.anchorNode)) return;
  set(id, text);
  if (!loose.has(id)) node.scrollTop = node.scrollHeight;
}

// route shows what the address names.
function route() {
  let name = '';
  try { name = decodeURIComponent(location.hash.slice(1)); } catch { /* no name of ours */ }
  if (name === shown) return;
  const before = shown;
  shown = name;
  $('host').hidden = !shown;
  if (shown) {
    loose.clear();
    drawStory(untold);
    drawHost();
    $('host').scrollTop = 0;
    $('host-name').focus({ preventScroll: true });
    readStory();
    return;
  }
  const back = [...document.querySelectorAll('#board a')].find(node => node.dataset.key === before);
  if (back) back.focus({ preventScroll: true });
}

function close(event) {
  event.preventDefault();
  history.pushState(null, '', location.pathname);
  route();
}

function take(event) {
  if (event.fleet) fleet = event.fleet;
  if (event.host) (coming || hosts).set(idOf(event.host), event.host);
  if (event.job) jobs.set(event.id || event.name, event.job);
  if (event.all && coming) {
    hosts = coming;
    coming = null;
    if (shown) readStory();
  }
  const name = event.host ? idOf(event.host) : event.id || event.name;
  if (name && name === shown && !coming) readStory();
  redraw();
}

// listening gives up on a stream in which nothing comes, not even the empty lines of one in which nothing happens.
function listening() {
  const control = new AbortController();
  let timer = 0;
  const hear = () => {
    clearTimeout(timer);
    timer = setTimeout(() => control.abort(), Number(document.documentElement.dataset.silence));
  };
  hear();
  return { signal: control.signal, hear, end: () => clearTimeout(timer) };
}

// follow reads the stream of events, a JSON value a line, and begins again when it ends.
async function follow() {
  for (;;) {
    const ear = listening();
    try {
      const answer = await fetch('v1/events', { signal: ear.signal });
      if (!answer.ok) throw new Error(answer.statusText);
      const reader = answer.body.getReader();
      const decoder = new TextDecoder();
      coming = new Map();
      jobs.clear();
      for (let rest = ''; ;) {
        const { value, done } = await reader.read();
        if (done) break;
        ear.hear();
        connected(true);
        const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
        rest = lines.pop();
        lines.filter(Boolean).forEach(line => take(JSON.parse(line)));
      }
    } catch { /* the daemon is away: said below */ }
    ear.end();
    coming = null;
    connected(false);
    await new Promise(resolve => setTimeout(resolve, 2000));
  }
}

function connected(yes) {
  document.documentElement.classList.toggle('stale', !yes);
  set('connection', yes ? '' : fleet ? 'The daemon does not answer: what you see is old. Trying again.' : 'The daemon does not answer. Trying again.');
}

$('filter').addEventListener('input', redraw);
$('close').addEventListener('click', close);
window.addEventListener('hashchange', route);
window.addEventListener('popstate', route);
document.addEventListener('keydown', event => { if (event.key === 'Escape' && shown) close(event); });
route();
follow();
