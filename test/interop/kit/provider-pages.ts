/** What people see of the provider of the demo; what they typed themselves is in none of it. */

interface Context {
  body: string
  type: string
}

const STYLE = ':root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif } body { max-width: 26rem; margin: 4rem auto; padding: 0 1rem } h1 { font-size: 1.3rem } button, input { font: inherit; padding: .3rem .6rem } aside { opacity: .7; margin-top: 2rem; font-size: .9rem }'

const page = (title: string, content: string): string => `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title><style>${STYLE}</style></head>
<body>
<h1>${title}</h1>
${content}
<aside>This is a demo on your own machine. It asks for no password, and whoever can reach it can be anybody.</aside>
</body>
</html>
`

export const loginForm = (action: string, group: string, wasWrong: boolean): string => page('Who are you?', `
${wasWrong ? '<p>A name has letters, digits, and . _ - @; 40 at most.</p>' : ''}
<form method="post" action="${action}">
<p><label>Name <input name="name" value="alice" required autofocus></label></p>
<p><label><input type="checkbox" name="group" value="${group}" checked> one of <code>${group}</code></label></p>
<p><button>Sign in</button></p>
</form>`)

/** @param form - Of the provider, without a button. */
export function codeForm(context: Context, form: string, _out?: object, error?: object): void {
  context.body = page('Sign in on another machine', `<p>${error === undefined ? 'Enter the code that stands in the terminal.' : 'That was not the code, or it is too old.'}</p>${form}<p><button form="op.deviceInputForm">Continue</button></p>`)
}

export function codeConfirmed(context: Context, form: string, _client: object, _device: object, code: string): void {
  context.body = page('Is this your code?', `<p>Go on if this stands in your terminal: <code>${code}</code></p>${form}<p><button form="op.deviceConfirmForm">Continue</button></p>`)
}

export function codeTaken(context: Context): void {
  context.body = page('Signed in', '<p>You can close this window, and go on in the terminal.</p>')
}

export function failed(context: Context, { error }: { readonly error: string }): void {
  context.type = 'html'
  context.body = page('This did not work', `<p>${/^\w+$/.test(error) ? error : 'error'}</p>`)
}
