import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fileForRequest, serveApp } from '../../../electron/main/app-protocol.ts';

describe('the file that an address names', () => {
  it.each([
    ['app://umbra/', '/page/index.html'],
    ['app://umbra/index.html', '/page/index.html'],
    ['app://umbra/assets/index-1a2b.js', '/page/assets/index-1a2b.js'],
    ['app://umbra/assets/a.js?v=1#x', '/page/assets/a.js'],
    // A URL cannot name what is above its root: the parser takes such steps away.
    ['app://umbra/../../etc/passwd', '/page/etc/passwd'],
    ['app://umbra/assets/%2e%2e/%2e%2e/%2e%2e/etc/passwd', '/page/etc/passwd'],
  ])('%s is %s', (address, file) => {
    expect(fileForRequest('/page', 'GET', address)).toBe(file);
  });

  it.each([
    ['GET', 'app://umbra/..%2f..%2fetc/passwd'],
    ['GET', 'app://umbra/assets/..%2f..%2f..%2fetc/passwd'],
    ['GET', 'app://umbra/..%5c..%5cetc'],
    ['GET', 'app://umbra/index.html%00.png'],
    ['GET', 'app://umbra/%e0%a4%a'],
    ['GET', 'app://other/index.html'],
    ['POST', 'app://umbra/index.html'],
    ['GET', 'no address'],
  ])('%s %s names none', (method, address) => {
    expect(fileForRequest('/page', method, address)).toBeUndefined();
  });
});

describe('serving the page', () => {
  let root = '';
  let serve: (request: Request) => Promise<Response>;

  beforeAll(async () => {
    root = await mkdtemp(path.join(os.tmpdir(), 'umbra-page-'));
    await mkdir(path.join(root, 'page'));
    await writeFile(path.join(root, 'page', 'index.html'), '<!doctype html>');
    await writeFile(path.join(root, 'page', 'notes.txt'), 'not for the page');
    await writeFile(path.join(root, 'secret.json'), '{}');
    serve = serveApp(path.join(root, 'page'));
  });
  afterAll(() => rm(root, { recursive: true }));

  it('gives the page with its policy', async () => {
    const response = await serve(new Request('app://umbra/index.html'));
    expect(response.status).toBe(200);
    expect(await response.text()).toBe('<!doctype html>');
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'; script-src 'self'");
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  });

  it.each([
    ['app://umbra/..%2fsecret.json', 403],
    ['app://umbra/missing.js', 404],
    ['app://umbra/notes.txt', 404],
  ])('refuses %s with %i', async (address, status) => {
    const response = await serve(new Request(address));
    expect(response.status).toBe(status);
    expect(await response.text()).toBe('');
  });
});
