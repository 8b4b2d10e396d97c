/** The body of the page; `page.script.ts` fills it. Sections keep their places, so that nothing jumps. */
export const PAGE_MARKUP = `
<a class="skip" href="#main">Skip to the figures</a>
<header>
  <div class="title">
    <h1>Consistency</h1>
    <p class="sub">MySQL rows and their Elasticsearch documents</p>
  </div>
  <div class="live">
    <p id="connection" class="pill" role="status">Connecting…</p>
    <button id="pause" type="button" aria-pressed="false">Pause</button>
  </div>
</header>
<noscript><p class="note">This page needs JavaScript. The same figures as JSON are below this address, at <code>/report</code>.</p></noscript>
<main id="main" class="waiting" tabindex="-1">
  <section aria-labelledby="verdict-title">
    <h2 id="verdict-title" class="hidden">Verdict</h2>
    <div id="verdict"></div><p id="announcement" class="hidden" role="status"></p>
  </section>
  <section aria-labelledby="stores-title"><h2 id="stores-title">Stores</h2><div id="stores" class="cards"></div></section>
  <section aria-labelledby="backstop-title"><h2 id="backstop-title">Backstop and consistency meter</h2><div id="backstops"></div></section>
  <section aria-labelledby="entities-title"><h2 id="entities-title">Entities</h2><p id="sweeper" class="note"></p><div id="entities" class="cards"></div></section>
  <section aria-labelledby="parked-title"><h2 id="parked-title">Parked rows</h2><div id="parked"></div></section>
</main>
<footer id="foot" class="waiting"><p id="updated" class="note"></p></footer>
`;
