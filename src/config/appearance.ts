import { choice, duration, list, modelPattern, roleArn, template, text } from './kinds.ts'
import { namedValues, rows, section } from './rows.ts'
import type { Columns } from './rows.ts'
import type { Option } from './schema.ts'

/** Whom a row is for. */
const who = {
  users: { kind: list(text()), reload: 'live', text: '', wrong: 'Not what tokens call the user: the row is for nobody.' },
  groups: { kind: list(text()), reload: 'live', text: '', wrong: 'A group of another issuer with the same name: its people are meant too.' },
} as const satisfies Columns

/** The role that calls are made in, so that AWS knows who makes them. */
const role = {
  role_arn: { kind: roleArn, reload: 'live',
    text: 'Role whose credentials are used for the caller, by AssumeRole of STS; without any the proxy calls with its own.',
    wrong: 'It does not trust the proxy (`sts:AssumeRole`, with tags `sts:TagSession`, with a source identity `sts:SetSourceIdentity`): 503, and the log has the words of STS.' },
  session_name: { kind: template, reload: 'live',
    text: 'Name of the session, which stands in CloudTrail and, as the user, on the bill. What AWS has no letter for becomes `_`, what is too long is cut, and a hash then keeps people apart.',
    wrong: 'Without `{user}`: people become one.' },
  source_identity: { kind: template, reload: 'live',
    text: 'Source identity of the session, which no further role can change.',
    wrong: 'The role does not allow it: 503.' },
  tags: { kind: namedValues(template), reload: 'live',
    text: 'Session tags by key, for conditions of IAM policies and for the bill.',
    wrong: 'A claim that people can change: they choose their own rights.' },
  duration: { kind: duration('15m', '12h'), reload: 'live',
    text: 'Life of a session; one hour at most where the credentials of the proxy are those of a role themselves, as AWS wants it.',
    wrong: 'Longer than the role allows: 503.' },
  external_id: { kind: text('external id', 'an external id', /^[\w+=,.@:/-]{2,1224}$/), reload: 'live',
    text: 'External id that the role asks for.',
    wrong: 'Not the one: 503.' },
} as const satisfies Columns

/** How callers appear to AWS. */
export const appearance = {
  ...section('aws.assume_role', { ...role, session_name: { ...role.session_name, default: '{user}' }, tags: { ...role.tags, default: '' }, duration: { ...role.duration, default: '1h' } }),
  'aws.assume_role.rules': { default: '', reload: 'live',
    kind: rows({
      users: { ...who.users, text: 'Users with this role, as `user` or `issuer|user`; with several issuers only the latter. Without it everybody.' },
      groups: { ...who.groups, text: 'Groups with this role, as `group` or, of one issuer only, `issuer|group`; any one of the caller is enough.' },
      ...role, role_arn: { ...role.role_arn, required: true },
    }),
    text: 'Roles of users and groups, in their order; the first that applies counts, and what it leaves out is as in `aws.assume_role`. Who is in none has `aws.assume_role.role_arn`, or the credentials of the proxy.',
    wrong: 'A wide rule before a narrow one: the narrow one never counts.' },
  'aws.request_metadata': { kind: namedValues(template), default: '', reload: 'live',
    text: 'What goes up with InvokeModel and InvokeModelWithResponseStream as `X-Amzn-Bedrock-Request-Metadata`, by key, and stands in the invocation log of AWS. At most 16 keys; letters and values are adapted as those of `aws.assume_role.session_name` are, a value of nothing is left out. The field of that name in bodies of Converse is the client\'s.',
    wrong: 'A claim that people can change: they choose who pays.' },
  'aws.client_metadata': { kind: choice('drop', 'refuse'), default: 'drop', reload: 'live',
    text: 'What becomes of an `X-Amzn-Bedrock-Request-Metadata` that a client sends; it never goes up.',
    wrong: '`refuse`, and clients that send it: 400.' },
  'aws.profiles': { default: '', reload: 'live',
    kind: rows({
      users: { ...who.users, text: 'Users with this profile, as `user` or `issuer|user`; with several issuers only the latter. Without it everybody.' },
      groups: { ...who.groups, text: 'Groups with this profile, as `group` or, of one issuer only, `issuer|group`; any one of the caller is enough.' },
      models: { kind: list(modelPattern), required: true, reload: 'live',
        text: 'Models, as the client asks for them, that this profile is called in place of; patterns as in `policy.rules[].models`.',
        wrong: 'Models that are not behind the profile: clients get answers of another one.' },
      profile: { kind: text('inference profile ARN', 'the ARN of an inference profile', /^arn:aws[a-z-]*:bedrock:[a-z0-9-]+:\d{12}:(application-)?inference-profile\/[\w.:-]+$/), required: true, reload: 'live',
        text: 'ARN of the inference profile.',
        wrong: 'Of another region or account: AWS answers 400 or 403.' },
    }),
    text: 'Inference profiles that groups and users call in place of models, so that the bill of AWS tells them apart; the first row that fits counts. Policy, limits and prices go by what the client asked for. It is for operations with the model in their path.',
    wrong: 'A wide row before a narrow one: the narrow one never counts.' },
} as const satisfies Readonly<Record<string, Option>>
