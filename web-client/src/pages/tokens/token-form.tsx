import { NativeSelect, TextInput } from '@mantine/core';
import { violationOf } from '@/api/problem';
import { useGrantableRoles } from '@/session/caller';
import { LIFETIMES } from './lifetimes';
import { isLimitable, type TokenDraft } from './token-draft';

interface Props {
  draft: TokenDraft;
  violations: Map<string, string>;
  disabled: boolean;
  onChange: (draft: TokenDraft) => void;
}

/** The fields of a new token. */
export function TokenForm({ draft, violations, disabled, onChange }: Props) {
  const roles = useGrantableRoles();
  const field = (key: keyof TokenDraft, path: string) => ({
    disabled,
    value: draft[key],
    error: violationOf(violations, path),
    onChange: (event: { currentTarget: { value: string } }) => onChange({ ...draft, [key]: event.currentTarget.value }),
  });
  const text = { autoComplete: 'off', spellCheck: false };
  return (
    <>
      <TextInput
        label="Name"
        description="The actor in the audit log, for example the program that uses it"
        data-autofocus
        {...text}
        {...field('name', 'name')}
      />
      <NativeSelect label="Role" data={[...roles]} {...field('role', 'role')} />
      {isLimitable(draft) && (
        <>
          <TextInput
            label="Only stores with these IDs"
            description="Separated by commas. They need not exist yet. Can't be changed later."
            placeholder="all stores"
            {...text}
            {...field('storeIds', 'store_ids')}
          />
          <TextInput
            label="Only stores whose ID starts with"
            description="With IDs as well: the stores that either names."
            placeholder="all stores"
            {...text}
            {...field('storeIdPrefix', 'store_id_prefix')}
          />
        </>
      )}
      <NativeSelect label="Expires after" data={LIFETIMES} {...field('days', 'ttl')} />
    </>
  );
}
