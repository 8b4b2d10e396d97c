import { createHash, X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { rootCertificates } from 'node:tls';

const SYSTEM_BUNDLES = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem'];
const PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;
const JKS_MAGIC = 0xfeedfeed;
const TRUSTED_CERTIFICATE = 2;
/** The store holds public certificates only; Java wants a password all the same. */
const PASSWORD = 'changeit';

/** @param {string} text */
function javaString(text) {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** @param {number} value */
function int32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** @param {Buffer[]} certificates DER */
function jks(certificates) {
  /** @type {Uint8Array[]} */
  const body = [int32(JKS_MAGIC), int32(2), int32(certificates.length)];
  for (const [i, der] of certificates.entries()) {
    const createdAt = Buffer.alloc(8);
    body.push(
      int32(TRUSTED_CERTIFICATE),
      javaString(`ca-${i}`),
      createdAt,
      javaString('X.509'),
      int32(der.length),
      der,
    );
  }
  const bytes = Buffer.concat(body);
  const password = Buffer.from(PASSWORD, 'utf16le').swap16();
  const digest = createHash('sha1').update(password).update('Mighty Aphrodite').update(bytes).digest();
  return Buffer.concat([bytes, digest]);
}

/**
 * Writes a Java key store with the certificate authorities this machine trusts. A JDK that was only unpacked has none
 * (Debian makes it in a script at installation), and without it Maven cannot use https.
 * @param {string} file
 */
export async function writeTruststore(file) {
  const { SSL_CERT_FILE = '', NODE_EXTRA_CA_CERTS = '' } = process.env;
  const bundles = [...SYSTEM_BUNDLES, SSL_CERT_FILE, NODE_EXTRA_CA_CERTS].filter(Boolean);
  const texts = await Promise.all(bundles.map((path) => readFile(path, 'utf8').catch(() => '')));
  const pems = texts.flatMap((text) => text.match(PEM) ?? []);
  const ders = new Map();
  for (const pem of pems.length > 0 ? pems : rootCertificates) {
    try {
      const { raw, fingerprint256 } = new X509Certificate(pem);
      ders.set(fingerprint256, raw);
    } catch {
      // One odd certificate in a bundle must not cost the others.
    }
  }
  await writeFile(file, jks([...ders.values()]));
}
