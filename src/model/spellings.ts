/**
 * Every exact spelling of a model: with and without its version and context length, and all of these with the geography it was
 * asked for in. No version is version 0: `amazon.titan-text-lite-v1`, `…-v1:0`, `…-v1:0:4k` are one model.
 */
export function spellings(name: string, geography: string | undefined): readonly string[] {
  const [stem, version, context] = name.split(':') as [string, string?, string?]
  const all = [stem, `${stem}:${version ?? 0}`]
  if (context !== undefined) all.push(name)
  return geography === undefined ? all : [...all, ...all.map((spelling) => `${geography}.${spelling}`)]
}

/**
 * What a model may be called besides: without version and date, as Bedrock Mantle calls some (`openai.gpt-oss-120b` for
 * `openai.gpt-oss-120b-1:0`), and without words before a dot, as one that is no geography today may be one tomorrow.
 */
export function otherNames(name: string): OtherNames {
  const names = lessPrecise(name)
  return { precise: names.slice(0, 2).flatMap(tails), any: names.flatMap(tails) }
}

export interface OtherNames {
  /** Those that still say which version. */
  readonly precise: readonly string[]
  readonly any: readonly string[]
}

/** A name and what is left of it without version and context length, version of the vendor, date. */
export function lessPrecise(name: string): readonly string[] {
  const stem = name.replace(/:.*$/, '')
  const model = stem.replace(stem === name ? /-v\d+$/ : /-v?\d+$/, '')
  return [name, stem, model, model.replace(/-\d{8}$/, '')]
}

/** `anthropic.claude` of `us.anthropic.claude`: what is left when words before a dot are taken off. */
function tails(name: string): string[] {
  const words = name.split('.')
  return words.map((_, i) => words.slice(i).join('.'))
}
