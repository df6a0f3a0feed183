import { Fragment } from 'react';

export interface Change {
  name: string;
  /** Absent where there is no such value. */
  before: string | undefined;
  after: string | undefined;
}

/** What changes, from which value to which. */
export function ChangeList({ label, changes }: { label: string; changes: readonly Change[] }) {
  return (
    <dl className="facts changes" aria-label={label}>
      {changes.map(({ name, before, after }) => (
        <Fragment key={name}>
          <dt>{name}</dt>
          <dd data-change={name}>
            {shown(before)} → <b>{shown(after)}</b>
          </dd>
        </Fragment>
      ))}
    </dl>
  );
}

function shown(value: string | undefined): string {
  if (value === undefined) return 'none';
  return value || 'empty';
}
