import { createHash } from 'node:crypto'
import type { Caller } from '../identity/index.ts'
import type { LimitName, Standing } from '../limits/index.ts'
import type { Policy, RuleOptions } from '../policy/index.ts'
import { html, Html } from './html.ts'
import { type Snippet, snippets, TOKEN } from './snippets.ts'

/** What a page for people is made of. */
export interface View {
  /** Address of this proxy as browsers know it, without a slash at its end. */
  readonly base: string
}

/** What somebody who has signed in is shown. */
export interface Portal extends View {
  readonly caller: Caller
  /** What the issuer calls them, where it says. */
  readonly name: string | undefined
  readonly token: string
  readonly allowed: ReturnType<Policy['rulesFor']>
  /** `undefined` while they cannot be told. */
  readonly standings: readonly Standing[] | undefined
  /** For the lines that people copy. */
  readonly exampleModel: string | undefined
}

export const signedOut = ({ base }: View): Html => page(html`
<p>Use AWS Bedrock with your company account, and no AWS keys.</p>
<p><a class="button" href="${base}/sign-in">Sign in</a></p>
<p><a href="${base}/setup">How clients are set up</a></p>`)

/** @param sentence - What has happened, in words for people. */
export const refused = ({ base }: View, sentence: string): Html => page(html`
<p>${sentence}</p>
<p><a class="button" href="${base}/sign-in">Sign in again</a> <a href="${base}/">Back</a></p>`)

export const portal = ({ base, caller, name, token, allowed, standings, exampleModel }: Portal): Html => page(html`
<form method="post" action="${base}/sign-out"><button>Sign out</button></form>
<p>Signed in as <b><bdi>${name ?? caller.user}</bdi></b>, until ${time(caller.expiresS * 1000)}.</p>
<dl>
<dt>User</dt><dd><bdi>${caller.user}</bdi></dd>
<dt>Issuer</dt><dd><bdi>${caller.issuer}</bdi></dd>
<dt>Groups</dt><dd>${caller.groups.length === 0 ? 'none' : caller.groups.map((group, i) => html`${i === 0 ? '' : ', '}<bdi>${group}</bdi>`)}</dd>
</dl>
<h2>Your limits</h2>
${standings === undefined ? html`<p>They cannot be told right now.</p>` : limitsTable(standings)}
<h2>Models</h2>
${modelsTable(allowed)}
<h2>Set up a client</h2>
<p>The token in these lines is yours alone, and good until ${time(caller.expiresS * 1000)}. Where you can, let <code>bedrock-sso-proxy login</code> keep a fresh one.</p>
${snippets(base, exampleModel).map((snippet) => configuration(snippet, token))}`)

function configuration({ client, lines }: Snippet, token: string): Html {
  const [first = '', ...rest] = lines.join('\n').split(TOKEN)
  // One token in all of the text: it is shown by its beginning, and copied whole.
  const code = [html`${first}`, ...rest.map((after) => html`<span>${token}</span>${after}`)]
  return html`<section><h3>${client}</h3><button type="button" hidden>Copy</button><pre>${code}</pre></section>\n`
}

const LIMITS: Readonly<Record<LimitName, string>> = {
  requests_per_minute: 'Requests a minute', concurrent: 'Requests at once', tokens_per_minute: 'Tokens a minute', tokens_per_day: 'Tokens a day',
  tokens_per_month: 'Tokens a month', usd_per_day: 'US dollars a day', usd_per_month: 'US dollars a month',
}

function limitsTable(standings: readonly Standing[]): Html {
  if (standings.length === 0) return html`<p>None.</p>`
  return html`<table><tr><th>Limit</th><th>Allowed</th><th>Left</th><th></th></tr>${standings.map(limitRow)}</table>`
}

function limitRow({ limit, value, left, resetMs }: Standing): Html {
  const shown = (amount: number) => (limit.startsWith('usd') ? (amount / 1e6).toFixed(2) : amount.toLocaleString('en'))
  const isCounted = limit.endsWith('day') || limit.endsWith('month')
  const rest = isCounted ? html`<td>${shown(left)}</td><td><meter max="${value}" value="${left}"></meter> again in full ${time(resetMs)}</td>` : html`<td></td><td></td>`
  return html`<tr><td>${LIMITS[limit]}</td><td>${shown(value)}</td>${rest}</tr>`
}

function modelsTable({ rules, otherwise }: Portal['allowed']): Html {
  if (rules.length === 0) return html`<p>${otherwise === 'allow' ? 'All of them.' : 'None.'}</p>`
  return html`<p>The first line that fits decides.</p>
<table><tr><th></th><th>Models</th><th>Where</th><th>Operations</th></tr>${rules.map(ruleRow)}
<tr><td>${otherwise}</td><td>all others</td><td></td><td></td></tr></table>`
}

function ruleRow({ effect, models, geographies, operations }: RuleOptions): Html {
  const cells = [models, geographies, operations].map((listed) => html`<td>${listed?.join(', ') ?? 'all'}</td>`)
  return html`<tr><td>${effect}</td>${cells}</tr>`
}

const time = (ms: number): Html => html`<time>${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC</time>`

const STYLE = `
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.3rem } h2 { font-size: 1.1rem; margin-top: 2rem } h3 { font-size: 1rem; margin: 0 }
form { float: right }
button, .button { font: inherit; padding: .3rem .9rem; border: 1px solid; border-radius: .3rem; background: none; color: inherit; text-decoration: none; cursor: pointer }
section { position: relative; margin: 1rem 0 } section button { position: absolute; top: -.3rem; right: 0; font-size: .85rem; padding: .1rem .6rem }
pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: .8rem; border: 1px solid #8886; border-radius: .3rem; font-size: .85rem }
pre span { display: inline-block; white-space: nowrap; max-width: 9em; overflow: hidden; text-overflow: ellipsis; vertical-align: bottom; background: #8883 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem } dt { opacity: .7 } dd { margin: 0; overflow-wrap: anywhere }
table { border-collapse: collapse } th, td { text-align: left; padding: .2rem 1rem .2rem 0; vertical-align: top }
`

const SCRIPT = `
for (const button of document.querySelectorAll('section button')) {
  button.hidden = false
  button.onclick = async () => {
    await navigator.clipboard.writeText(button.nextElementSibling.textContent)
    button.textContent = 'Copied'
  }
}
`

const digest = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

/** Nothing but the one style and the one script of these pages; forms go here, and the pages into no frame. */
export const PAGE_POLICY = `default-src 'none'; style-src ${digest(STYLE)}; script-src ${digest(SCRIPT)}; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`

const page = (content: Html): Html => html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>AWS Bedrock</title><style>${new Html(STYLE)}</style></head>
<body>
<h1>AWS Bedrock</h1>
${content}
<script>${new Html(SCRIPT)}</script>
</body>
</html>
`
