/** Pages of the embedded sign-in. Plain forms without script; nothing in them comes from the caller unescaped. */

export function signInPage(accounts: Record<string, string>): string {
  const buttons = Object.entries(accounts)
    .map(([id, name]) => `<li><button name="account" value="${escape(id)}">${escape(name)}</button></li>`)
    .join('\n');
  return page('Who are you?', `<form method="post"><ul>\n${buttons}\n</ul></form>`);
}

/** `form` is the provider's, with its token against forged requests; its button lies outside and names it. */
export function codePage(form: string, wasWrong: boolean): string {
  const hint = wasWrong ? '<p role="alert">That code is not known. It may have expired.</p>' : '';
  const labelled = form
    .replace('<input\n', '<label for="code">Code shown by margo-trust</label><input id="code"\n')
    .replace(/ onfocus="[^"]*"/, '');
  return page('Connect a device', `${hint}${labelled}<button form="op.deviceInputForm">Continue</button>`);
}

export function confirmPage(form: string, code: string): string {
  return page(
    'Connect a device',
    `<p>Does your terminal show this code?</p><p class="code">${escape(code)}</p>${form}
     <button form="op.deviceConfirmForm">Yes, continue</button>
     <button form="op.deviceConfirmForm" name="abort" value="yes" class="second">No, stop</button>`,
  );
}

export function donePage(): string {
  return page('Signed in', '<p>Go back to your terminal. You can close this page.</p>');
}

export function errorPage(reason: string): string {
  return page('Sign-in failed', `<p role="alert">${escape(reason)}</p><p>Start again where you came from.</p>`);
}

function page(title: string, content: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · Margo Trust Registry</title>
<link rel="stylesheet" href="/oidc/style.css">
</head>
<body>
<p class="notice"><strong>Development sign-in.</strong> No password: anyone can be anyone.</p>
<main>
<h1>${title}</h1>
${content}
</main>
</body>
</html>
`;
}

function escape(text: string): string {
  const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replace(/[&<>"']/g, (character) => names[character] ?? '');
}

export const STYLE = `
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { margin: 0; background: light-dark(#fff, #16181d); color: light-dark(#1a1d23, #eceef2); }
.notice { margin: 0; padding: .75rem 1rem; background: light-dark(#fff3cd, #4a3b00); color: light-dark(#4a3500, #ffedb3); }
main { max-width: 24rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; }
ul { list-style: none; padding: 0; }
label { display: block; margin-bottom: .25rem; }
input[type=text] { width: 100%; box-sizing: border-box; padding: .6rem; font: inherit; text-transform: uppercase; }
button { width: 100%; margin-top: .5rem; padding: .75rem; font: inherit; border: 1px solid light-dark(#1d4ed8, #93b4ff); border-radius: .375rem;
  background: light-dark(#1d4ed8, #93b4ff); color: light-dark(#fff, #10131a); cursor: pointer; text-align: left; }
button.second { background: transparent; color: inherit; }
button:focus-visible, input:focus-visible { outline: 3px solid light-dark(#f59e0b, #fbbf24); outline-offset: 2px; }
.code { font: 1.5rem ui-monospace, monospace; letter-spacing: .1em; }
`;
