import type { AlgorithmName, JwtErrorCode } from '../jwt/index.ts'
import type { VerificationCode } from '../sigv4/index.ts'

/** What `selftest` holds the program against. All of it was made for this; no private key of it was kept. */
export interface KnownAnswers {
  readonly text: string
  /** Of HMAC, HKDF, tokens, signatures and the audit log; it opens nothing. */
  readonly secret: string
  /** What a byte is changed by, where what is changed must be refused. */
  readonly flip: number
  /** When all of this was signed. */
  readonly nowMs: number
  /** SHA-2 of `text`, and HMAC with it. */
  readonly digests: readonly (readonly [hash: string, digest: string, mac: string])[]
  /** IV, `text` under AES-256-GCM, tag; the key is HKDF of `secret`, for "selftest", which is authenticated too. */
  readonly sealed: string
  readonly jwks: readonly Readonly<Record<string, string>>[]
  readonly claims: string
  /** Of a header that has `alg` alone, and `claims`. */
  readonly tokens: readonly (readonly [alg: AlgorithmName, signature: string])[]
  /** Tokens of the same claims that public keys must not accept. */
  readonly refused: readonly (readonly [what: string, alg: string, signatureOf: AlgorithmName | undefined, nowMs: number, code: JwtErrorCode])[]
  readonly request: SignedCall
  readonly requestSignature: string
  /** What may not be changed in it. */
  readonly changes: readonly (readonly [what: string, change: Partial<SignedCall>, code: VerificationCode])[]
  /** A message of an event stream in hex, with its CRCs, the payload in it, and its signature after that of the request. */
  readonly message: string
  readonly payload: string
  readonly messageSignature: string
  /** Lines of an audit log that is sealed by `secret`, and the hash of the last. */
  readonly lines: readonly string[]
  readonly head: string
  /** Variables with which `serve` must not start. */
  readonly forbidden: readonly string[]
  /** Between which times a clock can be right. */
  readonly clock: readonly [fromMs: number, toMs: number]
}

/** A call as the verifier sees it. */
export interface SignedCall {
  readonly host: string
  readonly path: string
  readonly body: string
  readonly secret: string
  readonly nowMs: number
}

const SECRET = 'this secret is known to all the world and signs what is said to itself'
const NOW_MS = 1_900_000_000_000

export const KNOWN_ANSWERS: KnownAnswers = {
  text: 'The quick proxy signs over the lazy gateway',
  secret: SECRET,
  flip: 1,
  nowMs: NOW_MS,
  digests: [
    ['sha256', '6b01856f34ba8cb31829c71a4f764f2f2eeac18a1ff12a96bbc13bee32a350a7', '6c0bc40032b2f8a8dd99e4f995517424dc4a204415376c62944310781e21d149'],
    ['sha384', 'f183d54d987cebd2da39a0d65a5af723b0820abdf94bc4e96eed29570080d78ba1fa821a8b76e414707eeacdab359bba', 'e646723e14fce295ecb91066d0a38949ff0a4e62b44aa8413655eb2304a492edfa5542187c2b9486f7eb410c53415e26'],
    ['sha512', 'bb4839f6b17cf1366b4783b8258c3e10e219e317a33186a748106600eefb3e1948a0fb438dd91c4699e0012b61f8e69d8b1420784d5448649839b2116188cc5b', 'b60456e57361698e3e8806e2f5951c8fe6e6655510289038d78ab1193064e5621ca4b195e1c64294aacd5dc33b27155318d06c014299679050128e0b544e9151'],
  ],
  sealed: '0v-HXWZeiDu0kS9CRRwo_p7QqiO_Q-uTdWXPBzCjQ-j-1LKSdSsHOZUgYgKXJxifDo0FIVvOLqPlayb7c3tcQcr8t8oSwgI',
  jwks: [
    { kty: 'RSA', n: 'oWbGfGanBRqF7khM0-y-vPnlHUpCZKlPktKVG3wmxPHUsyxSaUJlEeJrxS5904DapCatpWc4XJvGYvO764FHrZf3LvlWD5NeY3eH_uviKYohebNXUkQ3cgoptt8IT35I4UsI4c5Am7za6BrM8ktXszYJ6bpe_NCWVOvzYTvq586mEET1-pAFLJS3a7ApV1lyKMMiPaBkFDdceZGgTim1p1WMoOIBqkcmygrXidbRnDplwBSKs7QSt_sbeJ9CZhEFLw7qqDYtBknDgpzlKZ-qwMNxC5qM127FoPYn23KW2dKew5m9LxhjhxDVjrAL8ZNDDWRSTwY046DcgLqO3OBjDw', e: 'AQAB' },
    { kty: 'EC', crv: 'P-256', x: '4jOVWyvl_UonzYDWVzX1ckE_cAxg6qwVYDPEC6V_Ipg', y: 'oU-wuBB4PXZnNb-oiwPHh0Awbo3ykEx01KVDzcYqD6o' },
    { kty: 'EC', crv: 'P-384', x: 'C99C7BaE08EE2efRvffh96wNQddXtMaTI9Gz_WHtUGfaqY9GlmV1gfgBwqKAm3Cu', y: 'Z8Sm7Sw5IWPZz_4v9oSoATPwGLdSMtdfDHQfrhHP-kOp_2FhRcwEGSiJ0qc-zSEF' },
    { kty: 'EC', crv: 'P-521', x: 'AP8-L-iLnHklYsdXAuIde3RYSrb4lq663cttoBQD7D7OKBHTsrrW0Mp1M23wHv4c66kc32eKymUVnzD-iS9g1e-2', y: 'AfqSVFqA9n8u02XxVMUtWwoSFlnUfzqZ7CHridOxtgU4Sv5yBdEJIXIBN5cYpqSSJX53XWKC8iYpoHn1UqHvXuxX' },
    { kty: 'OKP', crv: 'Ed25519', x: 'USVtP-ESt5rhloHRjvtc2xtsZHL4cvvopCTp5D7Sxf4' },
  ],
  claims: '{"iss":"selftest","sub":"alice","aud":"bedrock","exp":2000000000}',
  tokens: [
    ['HS256', 'Ql6Kpy7CGy1EBobst-pLDP7q-BaQcVc5bHoVdYBGuuk'],
    ['HS384', 'pbRV9104J5DvMHyKo8sCodxSCe1iQt4eB1TO9kkdIhgtitwPnnfH6rG0hUbS9Frl'],
    ['HS512', 'MpPqeZVerHJ5WABhht37qVAXIzL6PgUjjIWrjVlEFAv13akfUs4k2ndcXfrj1ork7Z_KP9lPRT-Ibh8RhO2tow'],
    ['RS256', 'KWwG-ZQ7wpN_dje4BOM0ZMOG5jYE8JxCngnKlI54s09a5M4weC7UiIOMnYgrSgn0MGDXqek1Rw1i15mwFlaSzTR10VYA_Whw0af6raQf68Gun8n7mCQVRw7vPFzOEG6Uju9GoBEQx5jyvOvoP23F6VCmJ_ZDXNGeHT11b7NlvykaqCdNvTF_wDMkYbWcy2ImDV-q8WXUCG8J_wYUHPxoldO64A2O8Hxgjh4LuxhTgXug6G_6FEZFojP04wKb9-e_RqpzPVZE0d7rWHecOwOLPBwUNPynUQqULHIU1B6eUhPO2Tr9pHXUDq562fdSd2729fwj1Ln9ag7_xTwzvIrJpA'],
    ['PS256', 'cX7-48B2rECdywP0YzHeFxtl29qB1JKr_tSsy3D-qNaBw32DWfoQG7X8tSdphsO1h6QTjmtoDgmYQSMeVFCMYg5aB_59-dLgXmBJAvp_KdcoleYxsNcHPfMpvJsULbP1rfD5Puql0VJOVtJ2A-inGYGhFizOTzvxJ2Q1K1-_P2nwyjqTgd_3hcsQMyTk6X6N4bmejbSglbpkoTrsX-CaJtk7pMDVk3dCPZsry_lLyBgNl-HbfHBwCuOOCnRxv5ldKeVVEEBYHke7w-awtEKP0_F0NB-FUfiu9j2am8_VzwXfCLrWSUt2DWay0H2aRu_e5SCn6psj6lS5OIb-1fwCaA'],
    ['ES256', 'p9H3wG8xXR6c5ApsFdTkFntz8ykqDLqhCkOU_uqj2LxzEz-H8AycFnesHhLeaDJkhKOD8wfY_5TpA5rauACp_g'],
    ['ES384', '0WhUF4gvhui5Uwj_3W9h5uw5aj7-Bv2LZq5BCS0167D4CM48Y3DNJGS2fSrOcRYC-P_M-cckoOzxrokSldpvdy3PeMX8-ZD_jUrFSmYrZGRPfWgLPdbLmDnzF-lR5tIi'],
    ['ES512', 'AeHZK2IQdpVYT2SlIEb-3bAJ9DW94UeGD89n0e8t9dX_76kZnRZSSen635byx3wjmf1kvNaxTQSnR6enwe5n9vZwAfonynm2Yi4vtNuY0bU2ZHFAFdbV6Hu276pjHjZ_CR1aiIbI57JBIMpwHbXRyqZpE_JccCM1RNQfxYQQ-e1zrrdb'],
    ['EdDSA', '8QNeAC2f6BrwoI9uLZ667AFKSajlkPTJf8ndrfDN2H52oIonJS6fnXfS34DDkgKre_WL0f0ew3_tmdUe6hKzBA'],
  ],
  refused: [
    ['"alg" none, without a signature', 'none', undefined, NOW_MS, 'JWT_ALG_REFUSED'],
    ['"alg" HS256, where the key is a public one', 'HS256', 'HS256', NOW_MS, 'JWT_KEY_MISMATCH'],
    ['an algorithm that is not the one of its signature', 'RS256', 'PS256', NOW_MS, 'JWT_SIGNATURE_INVALID'],
    ['"exp" in the past', 'ES256', 'ES256', 2_100_000_000_000, 'JWT_EXPIRED'],
  ],
  request: { host: 'bedrock-runtime.us-east-1.amazonaws.com', path: '/model/selftest-v1%3A0/invoke', body: '{"max_tokens":1}', secret: SECRET, nowMs: NOW_MS },
  requestSignature: '50faa1512e7bace1d20ead848131c9aa31cdd44808d5d70f20c101fed0321464',
  changes: [
    ['another host', { host: 'bedrock-runtime.eu-west-1.amazonaws.com' }, 'SIGV4_MISMATCH'],
    ['another model', { path: '/model/selftest-v2%3A0/invoke' }, 'SIGV4_MISMATCH'],
    ['another body', { body: '{"max_tokens":2}' }, 'SIGV4_MISMATCH'],
    ['another secret', { secret: 'another secret' }, 'SIGV4_MISMATCH'],
    ['ten minutes later', { nowMs: NOW_MS + 600_000 }, 'SIGV4_SKEW'],
  ],
  message: '0000006b0000004b6ace012d0b3a6576656e742d747970650700056368756e6b0d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e747b226279746573223a226533303d227d3651dbfe',
  payload: '{"bytes":"e30="}',
  messageSignature: '5b0ce896780417a513e2e3c2c26bc348b0e280fb1bc26cd3b237d63bc7ab8fae',
  lines: [
    '{"seq":1,"prev":"0000000000000000000000000000000000000000000000000000000000000000","opens":true,"event":"call","request_id":"one","hash":"075de6b1393480a376e3774c164f25f01dc416e8f4ceb0ec7dac3c999be267ad"}',
    '{"seq":2,"prev":"075de6b1393480a376e3774c164f25f01dc416e8f4ceb0ec7dac3c999be267ad","event":"call","request_id":"two","hash":"a6b6b92088cca845e6a3dc720461e31e35dbfd8d237293e4c14c6143a364ae47"}',
    '{"seq":3,"prev":"a6b6b92088cca845e6a3dc720461e31e35dbfd8d237293e4c14c6143a364ae47","event":"call","request_id":"three","hash":"5eee729a0f5d40f8c356f6fbe8ac1f32f65e1a0a4af9d46107e98bcf1fe3cc4e"}',
  ],
  head: '5eee729a0f5d40f8c356f6fbe8ac1f32f65e1a0a4af9d46107e98bcf1fe3cc4e',
  forbidden: ['NODE_OPTIONS', 'NODE_DEBUG', 'NODE_TLS_REJECT_UNAUTHORIZED', 'OPENSSL_CONF'],
  clock: [Date.UTC(2025, 0), Date.UTC(2100, 0)],
}
