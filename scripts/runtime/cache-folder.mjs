import os from 'node:os';
import path from 'node:path';

/** Where things that are dear to fetch are kept, outside the tree and shared by all checkouts. */
export function cacheFolder(env = process.env, platform = process.platform) {
  if (env['XDG_CACHE_HOME']) return path.join(env['XDG_CACHE_HOME'], 'umbra');
  if (platform === 'win32' && env['LOCALAPPDATA']) return path.join(env['LOCALAPPDATA'], 'umbra', 'cache');
  if (platform === 'darwin') return path.join(os.homedir(), 'Library', 'Caches', 'umbra');
  return path.join(os.homedir(), '.cache', 'umbra');
}
