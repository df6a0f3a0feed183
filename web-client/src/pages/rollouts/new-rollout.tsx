import { Button } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { getRouteApi } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { RolloutDialog } from './rollout-dialog';
import { EMPTY } from './rollout-draft';

const route = getRouteApi('/rollouts');

/** Starts a rollout. A link with a version opens the dialog with it, once. */
export function NewRollout() {
  const { filter = '', version } = route.useSearch();
  const navigate = route.useNavigate();
  const [question, setQuestion] = useState(version === undefined ? undefined : { number: 0, filter, version });
  useEffect(() => {
    if (version !== undefined) void navigate({ search: {}, replace: true });
  }, [version, navigate]);
  const ask = () => setQuestion({ number: (question?.number ?? 0) + 1, filter: '', version: '' });
  return (
    <>
      <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={ask}>
        New rollout
      </Button>
      {question && (
        <RolloutDialog
          key={question.number}
          initial={{ ...EMPTY, filter: question.filter, version: question.version }}
        />
      )}
    </>
  );
}
