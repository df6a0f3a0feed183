import { Title } from '@mantine/core';
import { type FocusEvent, type ReactNode, useEffect, useRef } from 'react';

/** True from a navigation to another page until that page's title is there. */
let isFocusPending = false;

/** Asks for the next page's title to get the focus, so that a screen reader announces the page. */
export function requestTitleFocus(): void {
  isFocusPending = true;
}

/** Moves the focus to the page's title: for when the focused control disappears. */
export function focusTitle(): void {
  document.querySelector<HTMLElement>('main h1')?.focus({ preventScroll: true });
}

/** For a group of controls that come and go: when the focused one disappears, the title gets the focus. */
export function useFocusRescue() {
  const hadFocus = useRef(false);
  useEffect(() => {
    if (hadFocus.current && document.activeElement === document.body) focusTitle();
  });
  return {
    onFocus: () => {
      hadFocus.current = true;
    },
    onBlur: ({ relatedTarget }: FocusEvent) => {
      if (relatedTarget) hadFocus.current = false;
    },
  };
}

/** Moves the focus to the page's title if it was lost because the focused control is gone or disabled. */
export function rescueFocus(): void {
  requestAnimationFrame(() => {
    if (document.activeElement === document.body || document.activeElement === null) focusTitle();
  });
}

/** The page's `h1`, and its name in the browser's tab. */
export function PageTitle({ children, tab }: { children: ReactNode; tab: string }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${tab} · storeplane`;
  }, [tab]);
  useEffect(() => {
    if (!isFocusPending) return;
    isFocusPending = false;
    // A form that focuses its first field has done better.
    const isInForm = document.activeElement?.closest('main form');
    if (!isInForm) heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <Title order={1} size="h2" className="wrap page-title" tabIndex={-1} ref={heading}>
      {children}
    </Title>
  );
}
