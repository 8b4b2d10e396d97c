/**
 * First part of the page's script: making elements and bringing the page to a wanted state. What is there already stays, so focus and
 * the reader's place are kept. Texts are set as texts: nothing is ever parsed as HTML.
 */
export const PAGE_ELEMENTS = String.raw`
'use strict';
const $ = (id) => document.getElementById(id);
const SVG = ['svg', 'rect', 'line', 'text', 'title', 'g'];
function h(tag, attributes, ...children) {
  const element = SVG.includes(tag) ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}
function morph(parent, wanted) {
  wanted = wanted.flat(9).filter((node) => node !== null && node !== undefined && node !== false);
  wanted.forEach((node, at) => {
    const next = node.nodeType ? node : document.createTextNode(String(node));
    const there = parent.childNodes[at];
    if (!there) parent.append(next);
    else if (there.nodeName !== next.nodeName || (there.id || '') !== (next.id || '')) there.replaceWith(next);
    else if (next.nodeType === 3) { if (there.data !== next.data) there.data = next.data; }
    else sync(there, next);
  });
  while (parent.childNodes.length > wanted.length) parent.lastChild.remove();
}
function sync(there, next) {
  for (const { name } of [...there.attributes]) {
    // A reader opens and chooses; the figures do not close or change that.
    if (!next.hasAttribute(name) && name !== 'open') there.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) if (there.getAttribute(name) !== value) there.setAttribute(name, value);
  morph(there, [...next.childNodes]);
}
const number = new Intl.NumberFormat('en');
const fmt = (value) => number.format(value);
const plural = (count, one, many) => fmt(count) + ' ' + (count === 1 ? one : many);
const clock = (ms) => new Date(ms).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
function span(ms) {
  if (ms < 1000) return Math.round(ms) + ' ms';
  if (ms < 60000) return String(Number((ms / 1000).toFixed(ms < 10000 ? 1 : 0))) + ' s';
  if (ms < 3600000) return Math.floor(ms / 60000) + ' min';
  if (ms < 172800000) return Math.floor(ms / 3600000) + ' h';
  return Math.floor(ms / 86400000) + ' days';
}
function percent(share) {
  // Never rounded up to all: one miss in a million is still one.
  if (share >= 1) return '100 %';
  return (Math.floor(share * 1000000) / 10000).toFixed(share > 0.99 ? 4 : 1) + ' %';
}
const badge = (kind, text) => h('span', { class: 'badge ' + kind }, text);
const pair = (name, value, kind) => [h('dt', {}, name), h('dd', { class: kind || null }, value)];
const block = (name, value, kind) => h('div', {}, h('dt', {}, name), h('dd', { class: kind || null }, value));
`;
