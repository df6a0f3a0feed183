import { Alert, Stack, Text } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { useEffect, useRef } from 'react';
import { stepTitle } from '@/format/words';
import type { SettingChange, UpdatePreview } from '@/gen/storeplane/v1/store_pb';
import { ChangeList } from './change-list';
import { settingLabel, settingText } from './setting-fields';

/** What the server says that a change would do. */
export function UpdateSummary({ preview }: { preview: UpdatePreview }) {
  const { changes, notes } = preview;
  const summary = useRef<HTMLDivElement>(null);
  // The form that had the focus is gone.
  useEffect(() => summary.current?.focus({ preventScroll: true }), []);
  return (
    <Stack gap="sm" ref={summary} tabIndex={-1} className="summary" data-testid="update-preview">
      {changes.length > 0 ? (
        <ChangeList label="Changes" changes={changes.map(changeOf)} />
      ) : (
        <Text size="sm">No setting changes.</Text>
      )}
      <ul className="plain">
        {effectsOf(preview).map((effect) => (
          <Text component="li" size="sm" key={effect}>
            {effect}
          </Text>
        ))}
      </ul>
      {notes.length > 0 && (
        <Alert color="yellow" variant="outline" icon={<IconAlertTriangle aria-hidden />} title="Before you apply this">
          <ul className="plain">
            {notes.map((note) => (
              <Text component="li" size="sm" key={note} fw={isFinal(note) ? 600 : undefined}>
                {note}
              </Text>
            ))}
          </ul>
        </Alert>
      )}
    </Stack>
  );
}

function changeOf({ field, before, after }: SettingChange) {
  return { name: settingLabel(field), before: settingText(field, before), after: settingText(field, after) };
}

/** What happens to the shop, as sentences. */
function effectsOf({ steps, restartsPods, maintenancePage }: UpdatePreview): string[] {
  if (steps.length === 0) return ['It takes effect at once.'];
  return [
    `Steps: ${steps.map(stepTitle).join(', ')}.`,
    restartsPods ? "The shop's pods are replaced." : "The shop's pods keep running.",
    ...(maintenancePage ? ["A maintenance page is shown in the shop's place meanwhile."] : []),
  ];
}

/** True for a note about what cannot be undone, or is lost. */
function isFinal(note: string): boolean {
  return /\b(undone|lost)\b/.test(note);
}

/** True if the shop begins to reach customers. */
export function goesLive({ changes }: UpdatePreview): boolean {
  return changes.some(
    ({ field, before, after }) => field === 'environment' && before === 'STAGING' && after === 'PRODUCTION',
  );
}
