import { createHash } from 'node:crypto';
import { PAGE_CHART } from './page.chart.js';
import { PAGE_ELEMENTS } from './page.elements.js';
import { PAGE_LIVE } from './page.live.js';
import { PAGE_MARKUP } from './page.markup.js';
import { PAGE_SECTIONS } from './page.sections.js';
import { PAGE_STYLE } from './page.style.js';

const SCRIPT = `(() => {${PAGE_ELEMENTS}${PAGE_CHART}${PAGE_SECTIONS}${PAGE_LIVE}})();`;

/** An empty one, so that browsers do not ask for /favicon.ico. */
const ICON = 'data:,';
const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** Only this very script and style run; the page loads nothing, goes nowhere, and is in nobody's frame. */
const POLICY = [
  "default-src 'none'",
  `script-src ${hashOf(SCRIPT)}`,
  `style-src ${hashOf(PAGE_STYLE)}`,
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

export function pageHeaders(): Record<string, string> {
  return {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': POLICY,
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Cache-Control': 'no-store',
  };
}

/** The whole page, with the first figures in it: it is complete at once, and nothing jumps when the next ones come. */
export function statusPage(view: unknown): string {
  // A browser reads this block as text until `</script`, wherever that stands.
  const first = JSON.stringify(view).replaceAll('<', '\\u003c');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Consistency</title>
<link rel="icon" href="${ICON}">
<style>${PAGE_STYLE}</style>
</head>
<body>${PAGE_MARKUP}<script type="application/json" id="first">${first}</script>
<script>${SCRIPT}</script>
</body>
</html>
`;
}
