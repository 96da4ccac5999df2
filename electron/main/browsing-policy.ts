/** What pages in this program may not do, for whatever page ever comes to be in it. */
import { app, session, shell } from 'electron';
import type { WebContents } from 'electron';
import { isOwnPage } from './app-origin.ts';
import { contentSecurityPolicy, isDocumentationLink } from './content-policy.ts';

/** Every permission is refused: a debugger needs no camera, no location and no USB. */
export function refusePermissions(): void {
  const { defaultSession } = session;
  defaultSession.setPermissionRequestHandler((_contents, _permission, answer) => answer(false));
  defaultSession.setPermissionCheckHandler(() => false);
  defaultSession.setDevicePermissionHandler(() => false);
}

/** Navigation, new windows and webviews are refused in every web contents that is created from now on. */
export function confineWebContents(devServer: URL | undefined): void {
  app.on('web-contents-created', (_created, contents) => {
    const stay = (event: { preventDefault(): void; readonly url: string }): void => {
      // A reload of the page itself is the one navigation that stays at home.
      if (!isOwnPage(event.url, devServer)) event.preventDefault();
    };
    contents.on('will-navigate', stay);
    contents.on('will-frame-navigate', stay);
    contents.on('will-redirect', (event) => event.preventDefault());
    contents.on('will-attach-webview', (event) => event.preventDefault());
    contents.setWindowOpenHandler(({ url }) => {
      openDocumentation(url);
      return { action: 'deny' };
    });
  });
}

/** Opens a page of the documentation in the user's browser; anything else is not opened at all. */
export function openDocumentation(link: string): void {
  if (isDocumentationLink(link)) void shell.openExternal(link);
}

/** The development server sends no policy of its own. */
export function addPolicyToDevelopmentServer(contents: WebContents, devServer: URL): void {
  contents.session.webRequest.onHeadersReceived({ urls: [`${devServer.origin}/*`] }, ({ responseHeaders }, answer) =>
    answer({ responseHeaders: { ...responseHeaders, 'content-security-policy': [contentSecurityPolicy(devServer)] } }),
  );
}
