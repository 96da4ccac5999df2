/** `app://umbra/…`: the built page, served by us so that it needs no `file:` privileges and carries its policy. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { APP_HOST, APP_SCHEME } from './app-origin.ts';
import { contentSecurityPolicy } from './content-policy.ts';

/** To be registered before Electron is ready. `standard` and `secure` give it an origin of its own. */
export const APP_SCHEME_PRIVILEGES = {
  scheme: APP_SCHEME,
  privileges: { standard: true, secure: true, supportFetchAPI: true, codeCache: true },
};

const MEDIA_TYPES: ReadonlyMap<string, string> = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
  ['.json', 'application/json'],
  ['.map', 'application/json'],
  ['.svg', 'image/svg+xml'],
  ['.png', 'image/png'],
  ['.woff2', 'font/woff2'],
  ['.woff', 'font/woff'],
  ['.wasm', 'application/wasm'],
]);

/** Answers requests from the files below `root`. */
export function serveApp(root: string): (request: Request) => Promise<Response> {
  return async (request) => {
    const file = fileForRequest(root, request.method, request.url);
    if (file === undefined) return refusal(403);
    const mediaType = MEDIA_TYPES.get(path.extname(file));
    if (mediaType === undefined) return refusal(404);
    try {
      return new Response(await readFile(file), { headers: headers(mediaType) });
    } catch {
      return refusal(404);
    }
  };
}

/** The file that an address names, or undefined if it is not ours to give. */
export function fileForRequest(root: string, method: string, address: string): string | undefined {
  if (method !== 'GET' || !URL.canParse(address)) return undefined;
  const { host, pathname } = new URL(address);
  if (host !== APP_HOST) return undefined;
  let name: string;
  try {
    name = decodeURIComponent(pathname);
  } catch {
    return undefined;
  }
  if (name.includes('\0') || name.includes('\\')) return undefined;
  const file = path.join(root, name === '/' ? 'index.html' : name);
  const inside = path.relative(root, file);
  return inside === '' || inside.startsWith('..') || path.isAbsolute(inside) ? undefined : file;
}

const refusal = (status: number): Response => new Response(undefined, { status, headers: headers('text/plain') });

const headers = (mediaType: string): Record<string, string> => ({
  'content-type': mediaType,
  'content-security-policy': contentSecurityPolicy(),
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-cache',
});
