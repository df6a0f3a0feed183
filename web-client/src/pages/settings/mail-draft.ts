import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Smtp, SmtpEncryption, type SmtpSchema, type Store, type StoreSchema } from '@/gen/storeplane/v1/store_pb';

/** A mail server as the inputs have it. The password is only what somebody typed. */
export interface MailDraft {
  host: string;
  port: string;
  encryption: string;
  username: string;
  password: string;
  fromAddress: string;
  fromName: string;
}

/** The parts of the field that have an input, by their names in a request. */
export const MAIL_PARTS = ['host', 'port', 'encryption', 'username', 'password', 'from_address', 'from_name'] as const;
export type MailPart = (typeof MAIL_PARTS)[number];

const EMPTY: MailDraft = {
  host: '',
  port: '',
  encryption: SmtpEncryption[SmtpEncryption.STARTTLS],
  username: '',
  password: '',
  fromAddress: '',
  fromName: '',
};

/** The value of the setting: JSON, or empty without a mail server. */
export function readMail({ smtp }: Store): string {
  return smtp ? mailText(draftOf(smtp)) : '';
}

function draftOf({ host, port, encryption, username, fromAddress, fromName }: Smtp): MailDraft {
  const name = SmtpEncryption[encryption] ?? EMPTY.encryption;
  return { host, port: String(port), encryption: name, username, password: '', fromAddress, fromName };
}

export function parseMail(value: string): MailDraft {
  return value ? (JSON.parse(value) as MailDraft) : EMPTY;
}

export function mailText(draft: MailDraft): string {
  return draft.host.trim() ? JSON.stringify(draft) : '';
}

/** The part of a request. Without a host, the mail server is removed. */
export function writeMail(value: string): MessageInitShape<typeof StoreSchema> {
  if (!value) return {};
  const { host, port, encryption, username, password, fromAddress, fromName } = parseMail(value);
  const smtp: MessageInitShape<typeof SmtpSchema> = {
    host: host.trim(),
    port: portOf(port),
    encryption: SmtpEncryption[encryption as keyof typeof SmtpEncryption],
    username: username.trim(),
    password,
    fromAddress: fromAddress.trim(),
    fromName: fromName.trim(),
  };
  return { smtp };
}

/** Empty is 0, the usual one. What is not a number is one that the server refuses. */
function portOf(text: string): number {
  const port = Number(text.trim());
  return Number.isInteger(port) && Math.abs(port) < 2 ** 31 ? port : -1;
}

/** In one line, for people. */
export function mailSummary({ host, port, encryption, username }: Smtp): string {
  const how = encryption === SmtpEncryption.NONE ? 'not encrypted' : SmtpEncryption[encryption];
  return `${host}:${port}, ${how}${username && `, as ${username}`}`;
}
