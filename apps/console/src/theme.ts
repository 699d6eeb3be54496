export type Theme = 'light' | 'dark';

/** The reader's own choice on this device, if one was made; otherwise the system's preference holds. */
export function currentTheme(): Theme {
  return chosenTheme() ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
}

export function applyChosenTheme(): void {
  const theme = chosenTheme();
  if (theme) document.documentElement.dataset['theme'] = theme;
}

export function chooseTheme(theme: Theme): void {
  document.documentElement.dataset['theme'] = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // the choice then lasts as long as the page
  }
}

function chosenTheme(): Theme | undefined {
  const onPage = document.documentElement.dataset['theme'];
  const kept = onPage ?? readKept();
  return kept === 'light' || kept === 'dark' ? kept : undefined;
}

function readKept(): string | undefined {
  try {
    return localStorage.getItem(KEY) ?? undefined;
  } catch {
    return undefined;
  }
}

const KEY = 'theme';
