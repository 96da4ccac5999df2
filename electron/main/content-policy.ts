/** What the page may load, and the header that says so. */

const SELF_ONLY = {
  'default-src': ["'none'"],
  'script-src': ["'self'"],
  // The terminal and the docking library set styles of their own at run time.
  'style-src': ["'self'", "'unsafe-inline'"],
  'font-src': ["'self'", 'data:'],
  'img-src': ["'self'", 'data:'],
  'connect-src': ["'self'"],
  'worker-src': ["'self'"],
  'base-uri': ["'none'"],
  'form-action': ["'none'"],
  'frame-ancestors': ["'none'"],
  'object-src': ["'none'"],
} as const;

/**
 * @param devServer origin of the development server, which reloads modules over a web socket; undefined when the built
 *   page is shown
 */
export function contentSecurityPolicy(devServer?: URL): string {
  const sockets = devServer ? [`ws://${devServer.host}`] : [];
  const directives = { ...SELF_ONLY, 'connect-src': [...SELF_ONLY['connect-src'], ...sockets] };
  return Object.entries(directives)
    .map(([directive, sources]) => `${directive} ${sources.join(' ')}`)
    .join('; ');
}

/** Pages of the documentation that may be opened in the user's browser. */
const DOCUMENTATION_HOSTS: ReadonlySet<string> = new Set(['docs.kernel.org', 'www.kernel.org', 'lore.kernel.org']);

/** Whether a link may leave the program: https, one of the hosts above, nothing odd in the authority. */
export function isDocumentationLink(link: string): boolean {
  if (!URL.canParse(link)) return false;
  const { protocol, hostname, port, username, password } = new URL(link);
  return (
    protocol === 'https:' && DOCUMENTATION_HOSTS.has(hostname) && port === '' && username === '' && password === ''
  );
}
