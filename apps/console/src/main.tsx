import { render } from 'preact';
import { App } from './app.tsx';
import { applyChosenTheme } from './theme.ts';

applyChosenTheme();
const root = document.getElementById('app');
if (root) render(<App />, root);
