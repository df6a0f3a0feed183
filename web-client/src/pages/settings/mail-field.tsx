import { Fieldset, NativeSelect, PasswordInput, Stack, TextInput } from '@mantine/core';
import { SmtpEncryption } from '@/gen/storeplane/v1/store_pb';
import { type MailDraft, type MailPart, mailText, parseMail } from './mail-draft';
import type { InputProps } from './setting-fields';

const ENCRYPTIONS = [
  { value: SmtpEncryption[SmtpEncryption.STARTTLS], label: 'STARTTLS' },
  { value: SmtpEncryption[SmtpEncryption.TLS], label: 'TLS' },
  { value: SmtpEncryption[SmtpEncryption.NONE], label: 'None' },
];

/** A mail server. What describes it further appears once it has a host; the password is never shown. */
export function MailField({ store, label, value, error, errorOf, disabled, onChange }: InputProps) {
  const draft = parseMail(value);
  const set = (part: Partial<MailDraft>) => onChange(mailText({ ...draft, ...part }));
  const input = (name: keyof MailDraft, part: MailPart) => ({
    value: draft[name],
    error: errorOf(part),
    disabled,
    autoComplete: 'off',
    onChange: (event: { currentTarget: { value: string } }) => set({ [name]: event.currentTarget.value }),
  });
  return (
    <Fieldset legend={label}>
      <Stack gap="xs">
        <TextInput
          label="SMTP host"
          description="Empty: the shop sends mail only if the platform has a mail server for it."
          {...input('host', 'host')}
          error={errorOf('host') ?? error}
        />
        {value !== '' && (
          <>
            <TextInput label="Port" placeholder="Usual port" inputMode="numeric" {...input('port', 'port')} />
            <NativeSelect label="Encryption" data={ENCRYPTIONS} {...input('encryption', 'encryption')} />
            <TextInput label="SMTP user" {...input('username', 'username')} />
            <PasswordInput
              label="SMTP password"
              placeholder={store.smtp?.passwordSet ? 'Unchanged' : undefined}
              {...input('password', 'password')}
              autoComplete="new-password"
            />
            <TextInput
              label="Sender address"
              placeholder={store.adminEmail}
              inputMode="email"
              {...input('fromAddress', 'from_address')}
            />
            <TextInput label="Sender" placeholder="As the shop's settings say" {...input('fromName', 'from_name')} />
          </>
        )}
      </Stack>
    </Fieldset>
  );
}
