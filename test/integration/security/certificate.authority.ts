import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/*
 * Certificates for tests, made here: Node can sign but not write X.509, and a program for it need not be installed.
 * DER is written by hand: a tag, a length, the contents.
 */

const der = (tag: number, ...parts: Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  const { length } = body;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), body]);
};
const sequence = (...parts: Buffer[]): Buffer => der(0x30, ...parts);
const explicit = (number: number, part: Buffer): Buffer => der(0xa0 + number, part);
const bits = (part: Buffer): Buffer => der(0x03, Buffer.from([0]), part);
const octets = (part: Buffer): Buffer => der(0x04, part);
const objectId = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'));
const TRUE = der(0x01, Buffer.from([0xff]));

const ECDSA_WITH_SHA256 = sequence(objectId('2a8648ce3d040302'));
const COMMON_NAME = objectId('550403');
const [KEY_IDENTIFIER, ALTERNATIVE_NAMES, BASIC_CONSTRAINTS, AUTHORITY_KEY] = [
  '551d0e',
  '551d11',
  '551d13',
  '551d23',
].map(objectId) as [Buffer, Buffer, Buffer, Buffer];

const nameOf = (commonName: string): Buffer =>
  sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from(commonName)))));
const timeOf = (date: Date): Buffer => der(0x18, Buffer.from(`${date.toISOString().replaceAll(/[-:T]|\.\d+/g, '')}`));
const pem = (label: string, bytes: Buffer): string =>
  `-----BEGIN ${label}-----\n${bytes.toString('base64').replaceAll(/.{64}(?=.)/g, '$&\n')}\n-----END ${label}-----\n`;

const DAY_MS = 86_400_000;

/** A server's certificate and its key, in PEM form. */
export interface IssuedCertificate {
  readonly certificate: string;
  readonly key: string;
}

/** An authority of one test's own. */
export class CertificateAuthority {
  /** PEM: what a client is given as `ca`. */
  readonly certificate: string;
  private readonly publicKey: Buffer;
  private readonly privateKey: KeyObject;

  constructor(private readonly name = 'nest-consistent test CA') {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.publicKey = publicKey.export({ type: 'spki', format: 'der' });
    this.privateKey = privateKey;
    const isAuthority = sequence(BASIC_CONSTRAINTS, TRUE, octets(sequence(TRUE)));
    this.certificate = this.signed(name, this.publicKey, [isAuthority], DAY_MS);
  }

  /** For a server at 127.0.0.1. `validForMs` below zero: it has expired. */
  issue(validForMs = DAY_MS): IssuedCertificate {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const address = der(0x87, Buffer.from([127, 0, 0, 1]));
    const names = sequence(ALTERNATIVE_NAMES, octets(sequence(address)));
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    return {
      certificate: this.signed('nest-consistent test server', spki, [names], validForMs),
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    };
  }

  private signed(subject: string, spki: Buffer, extensions: readonly Buffer[], validForMs: number): string {
    const identifier = (key: Buffer): Buffer => createHash('sha1').update(key).digest();
    const [begins, ends] = [new Date(Date.now() - 2 * DAY_MS), new Date(Date.now() + validForMs)];
    const certificate = sequence(
      explicit(0, der(0x02, Buffer.from([2]))),
      der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
      ECDSA_WITH_SHA256,
      nameOf(this.name),
      sequence(timeOf(begins), timeOf(ends)),
      nameOf(subject),
      spki,
      explicit(
        3,
        sequence(
          ...extensions,
          sequence(KEY_IDENTIFIER, octets(octets(identifier(spki)))),
          sequence(AUTHORITY_KEY, octets(sequence(der(0x80, identifier(this.publicKey))))),
        ),
      ),
    );
    const signature = sign('sha256', certificate, this.privateKey);
    return pem('CERTIFICATE', sequence(certificate, ECDSA_WITH_SHA256, bits(signature)));
  }
}
