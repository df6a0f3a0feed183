import { Anchor, type AnchorProps, Paper, type PaperProps } from '@mantine/core';
import { createLink } from '@tanstack/react-router';
import type { ComponentPropsWithRef } from 'react';

type Native<P> = P & Omit<ComponentPropsWithRef<'a'>, keyof P>;

/** Mantine's components with the router's types. */
export const AnchorLink = createLink((props: Native<AnchorProps>) => <Anchor {...props} />);
export const PaperLink = createLink((props: Native<PaperProps>) => <Paper component="a" {...props} />);
