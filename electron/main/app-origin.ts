/** Where the page comes from, and whether somebody who asks is that page. */

export const APP_SCHEME = 'app';
export const APP_HOST = 'umbra';
export const APP_ORIGIN = `${APP_SCHEME}://${APP_HOST}`;

/**
 * The server of `npm run dev`. A packaged program never listens to the variable, and a development one only when it names
 * this machine.
 */
export function developmentServer(isPackaged: boolean, rendererUrl: string | undefined): URL | undefined {
  if (isPackaged || rendererUrl === undefined || !URL.canParse(rendererUrl)) return undefined;
  const url = new URL(rendererUrl);
  const isLocal = url.hostname === 'localhost' || url.hostname === '127.0.0.1' || url.hostname === '[::1]';
  return url.protocol === 'http:' && isLocal ? url : undefined;
}

/** Whether an address belongs to our page: compared by parsed parts, never by how the text begins. */
export function isOwnPage(address: string, devServer: URL | undefined): boolean {
  if (!URL.canParse(address)) return false;
  const { protocol, host, username, password } = new URL(address);
  if (username !== '' || password !== '') return false;
  if (devServer) return protocol === devServer.protocol && host === devServer.host;
  return protocol === `${APP_SCHEME}:` && host === APP_HOST;
}
