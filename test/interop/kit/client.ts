/** One question to a model. */
export interface Ask {
  /** Base URL of the proxy. */
  readonly url: string
  /** PEM of the authority to trust, where the URL is https. */
  readonly ca: string | undefined
  readonly token: string | undefined
  readonly model: string
  readonly prompt: string
  /** Offers the tool of `model.ts`. */
  readonly tool: boolean
  readonly tap: Tap
}

/** What a client's transport tells of: every attempt, whatever the client makes of it. */
export interface Tap {
  /** The body of a request, as it goes out; or what there is to know of it. */
  sent(body: Uint8Array | string | Digest | undefined): void
  /** Header names are lower-case. */
  answered(status: number, headers: Readonly<Record<string, string>>): void
}

/** A body in short. */
export interface Digest {
  readonly bytes: number
  readonly sha256: string
}

/** What the client understood. */
export interface Said {
  readonly text: string
  readonly tool?: { readonly name: string; readonly input: unknown } | undefined
}

/** A failure as the client's user sees it: class or name of the exception, and its message. */
export interface Shown {
  readonly error: string
  readonly message: string
}

/** What a client makes words of. */
export interface Failure {
  readonly asks: 'whole' | 'stream'
  readonly status: number
  /** AWS's name of the exception. */
  readonly type: string
  /** The client's. */
  readonly error: string
  readonly message: string
  readonly tries: number
}

/** A real client, set up as its users set it up. It says how it is asked and how it shows failures; the rest is the same for all. */
export interface Client {
  readonly name: string
  /** Whether it speaks to the program over TLS. */
  readonly secure: boolean
  readonly sendsBodies: boolean
  /** Its requests name the model in their bodies, which are AWS's to judge; the log can name it only where they were read. */
  readonly modelInBody?: true
  /** Asks and waits for the whole answer. */
  say(ask: Ask): Promise<Said>
  /** Asks for a stream and calls `heard` with each event. */
  stream?(ask: Ask, heard: () => void): Promise<Said>
  /** How it shows what `say` and `stream` threw. */
  show(error: unknown): Shown
  /** How it words an error answer, where that is more than the message. */
  words?(failure: Failure): string | RegExp
  /** Its names in error-matrix.json, where it was measured there; one that shows whole bodies shows more than was recorded. */
  readonly matrix?: { readonly whole: string; readonly stream?: string; readonly showsBodies?: true }
}
