import { readFileSync } from 'node:fs';
import { parseSync } from '@swc/core';

/**
 * Reads the classes, interfaces and type aliases that a TypeScript file exports, with their doc comments. TypeScript 7 has no compiler API, so swc
 * parses and the comments are taken from the text in front of each node.
 */

/**
 * @typedef {object} Member
 * @property {string} name
 * @property {boolean} optional
 * @property {string} type as written, on one line; of an object type only `{ … }`
 * @property {string} comment the doc comment's text, or empty
 * @property {Member[]} members of an object type
 */

/**
 * @typedef {object} Declaration
 * @property {string} name
 * @property {'class' | 'interface' | 'type'} kind
 * @property {boolean} abstract
 * @property {string} comment
 * @property {string} text of a type alias: what it stands for
 * @property {Record<string, string>} values a class's properties with a literal value, as written
 * @property {Member[]} members of an interface
 */

/**
 * @param {string} path
 * @returns {Declaration[]} what the file exports, in its order
 */
export function readDeclarations(path) {
  return declarationsOf(readFileSync(path, 'utf8'), path);
}

/**
 * @param {string} source
 * @param {string} [path] for messages
 * @returns {Declaration[]}
 */
export function declarationsOf(source, path = 'source') {
  // swc counts bytes from the first file that the process ever parsed: an empty statement tells where this one begins.
  const text = Buffer.from(`;${source}`);
  const module = parseSync(text.toString(), { syntax: 'typescript', decorators: true, target: 'es2022' });
  const base = module.body[0]?.span.start ?? 0;
  /** @type {(from: number, to: number) => string} */
  const slice = (from, to) => text.subarray(from - base, to - base).toString();
  const declarations = [];
  let end = base;
  for (const statement of module.body) {
    const comment = docComment(slice(end, statement.span.start));
    end = statement.span.end;
    if (statement.type !== 'ExportDeclaration') continue;
    const read = readDeclaration(statement.declaration, slice);
    if (read) declarations.push({ ...read, comment });
  }
  if (declarations.length === 0) throw new Error(`${path} exports no class, interface or type`);
  return declarations;
}

/**
 * @param {any} node
 * @param {(from: number, to: number) => string} slice
 * @returns {Omit<Declaration, 'comment'> | undefined}
 */
function readDeclaration(node, slice) {
  if (node.type === 'ClassDeclaration') {
    /** @type {Record<string, string>} */
    const values = {};
    for (const member of node.body) {
      if (member.type === 'ClassProperty' && member.value && 'value' in member.value) {
        values[member.key.value] = String(member.value.value);
      }
    }
    const abstract = node.isAbstract === true;
    return { name: node.identifier.value, kind: 'class', abstract, text: '', values, members: [] };
  }
  const nothing = { abstract: false, text: '', values: {}, members: [] };
  if (node.type === 'TsTypeAliasDeclaration') {
    const { start, end } = node.typeAnnotation.span;
    return { ...nothing, name: node.id.value, kind: 'type', text: oneLine(slice(start, end)) };
  }
  if (node.type !== 'TsInterfaceDeclaration') return undefined;
  const members = readMembers(node.body.body, node.body.span.start, slice);
  return { ...nothing, name: node.id.value, kind: 'interface', members };
}

/**
 * @param {any[]} nodes
 * @param {number} start where the comment of the first member may begin
 * @param {(from: number, to: number) => string} slice
 * @returns {Member[]}
 */
function readMembers(nodes, start, slice) {
  const members = [];
  let end = start;
  for (const node of nodes) {
    const comment = docComment(slice(end, node.span.start));
    end = node.span.end;
    if (node.type !== 'TsPropertySignature') continue;
    const annotation = node.typeAnnotation.typeAnnotation;
    const literal = [annotation, ...(annotation.types ?? [])].find(({ type }) => type === 'TsTypeLiteral');
    let type = slice(annotation.span.start, annotation.span.end).replace(/\s+/g, ' ');
    /** @type {Member[]} */
    let nested = [];
    if (literal) {
      nested = readMembers(literal.members, literal.span.start, slice);
      const others = (annotation.types ?? []).filter((/** @type {any} */ part) => part !== literal);
      type = [...others.map((/** @type {any} */ part) => slice(part.span.start, part.span.end)), '{ … }'].join(' | ');
    }
    members.push({ name: node.key.value, optional: node.optional === true, type, comment, members: nested });
  }
  return members;
}

/**
 * @param {string} gap the text between two nodes
 * @returns {string} the last doc comment in it, without its stars; empty when there is none
 */
export function docComment(gap) {
  const comments = gap.match(/\/\*\*[^]*?\*\//g) ?? [];
  return (comments.at(-1) ?? '')
    .replace(/^\/\*\*|\*\/$/g, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trimEnd())
    .join('\n')
    .trim();
}

/** @param {string} comment @returns {string} its sentences on one line */
export function oneLine(comment) {
  return comment.replace(/\s+/g, ' ').trim();
}
