// @ts-nocheck The project's types are those of Node; this file runs in the browser.
const TYPING_PAUSE_MS = 150;

/** A fact stays in one line; lines break between facts. */
const NO_BREAK_SPACE = '\u00a0';

const byId = (id) => document.getElementById(id);
const form = byId('search');
const words = byId('q');
const genre = byId('genre');
const list = byId('films');
const status = byId('status');
const whole = new Intl.NumberFormat('en');
const dollars = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

let page = 1;
/** Answers can overtake each other: only that of the latest question is shown. */
let asking = new AbortController();

/** The address can be shared, and the browser's back button works. */
function readAddress() {
  const address = new URLSearchParams(location.search);
  words.value = address.get('q') ?? '';
  wantedGenre(address.get('genre') ?? '');
  page = Number(address.get('page')) || 1;
}

function wantedGenre(name) {
  if (name && ![...genre.options].some(({ value }) => value === name)) genre.add(new Option(name, name));
  genre.value = name;
}

function question() {
  const asked = new URLSearchParams();
  if (words.value.trim()) asked.set('q', words.value.trim());
  if (genre.value) asked.set('genre', genre.value);
  if (page > 1) asked.set('page', String(page));
  return asked.toString();
}

async function search({ remember = true } = {}) {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  const asked = question();
  if (remember) history.replaceState(null, '', asked ? `?${asked}` : location.pathname);
  list.setAttribute('aria-busy', 'true');
  try {
    const response = await fetch(`films?${asked}`, { signal });
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    show(await response.json());
  } catch (error) {
    if (signal.aborted) return;
    status.textContent = `The search failed: ${error.message}. Try again.`;
  } finally {
    if (!signal.aborted) list.removeAttribute('aria-busy');
  }
}

function show(result) {
  const found = result.total === 1 ? '1 film' : `${whole.format(result.total)} films`;
  status.textContent = result.total === 0 ? 'No film matches. Try fewer or other words.' : found;
  list.replaceChildren(...result.films.map(item));
  showGenres(result.genres);
  byId('pages').hidden = result.pages < 2;
  byId('page').textContent = `Page ${result.page} of ${whole.format(result.pages)}`;
  byId('previous').disabled = result.page <= 1;
  byId('next').disabled = result.page >= result.pages;
}

function showGenres(genres) {
  const chosen = genre.value;
  const options = genres.map(({ name, films }) => new Option(`${name} (${whole.format(films)})`, name));
  genre.replaceChildren(new Option('All genres', ''), ...options);
  wantedGenre(chosen);
}

/** Only ever text, never markup: titles come from users. */
function item(film) {
  const element = byId('film').content.firstElementChild.cloneNode(true);
  const year = document.createElement('span');
  year.textContent = ` ${film.releaseYear}`;
  element.querySelector('h2').append(film.title, year);
  const score = element.querySelector('.score');
  if (film.imdbRating === null) score.remove();
  else {
    score.textContent = `★ ${film.imdbRating}`;
    score.setAttribute('aria-label', `rated ${film.imdbRating} of 10`);
    score.setAttribute('role', 'img');
  }
  element.querySelector('.facts').textContent = facts(film).join(' · ');
  return element;
}

function facts(film) {
  const gross = Number(film.worldwideGross ?? 0);
  return [
    film.director,
    film.genre,
    film.mpaaRating,
    film.runningTimeMinutes && `${film.runningTimeMinutes} min`,
    film.imdbVotes && `${whole.format(film.imdbVotes)} votes`,
    film.rottenTomatoesRating && `${film.rottenTomatoesRating} % of critics`,
    gross > 0 && `$${dollars.format(gross)} worldwide`,
  ]
    .filter(Boolean)
    .map((fact) => fact.replaceAll(' ', NO_BREAK_SPACE));
}

function turn(by) {
  page += by;
  void search();
  scrollTo({ top: 0 });
}

let typing;
words.addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    page = 1;
    void search();
  }, TYPING_PAUSE_MS);
});
genre.addEventListener('change', () => {
  page = 1;
  void search();
});
form.addEventListener('submit', (event) => {
  event.preventDefault();
  page = 1;
  void search();
});
byId('previous').addEventListener('click', () => turn(-1));
byId('next').addEventListener('click', () => turn(1));
addEventListener('popstate', () => {
  readAddress();
  void search({ remember: false });
});

readAddress();
void search({ remember: false });
