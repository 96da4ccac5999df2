import { describe, expect, it } from 'vitest';
import { developmentServer, isOwnPage } from '../../../electron/main/app-origin.ts';

const devServer = new URL('http://localhost:5173');

describe('whether an address is our page', () => {
  it.each(['app://umbra/index.html', 'app://umbra/', 'app://umbra/index.html#panel'])('%s is', (address) => {
    expect(isOwnPage(address, undefined)).toBe(true);
  });

  it.each([
    '',
    'about:blank',
    'app://umbra.evil.example/index.html',
    'app://other/index.html',
    'app://user@umbra/index.html',
    'https://umbra/index.html',
    'file:///index.html',
    'data:text/html,app://umbra/',
    'http://localhost:5173/',
  ])('%j is not', (address) => {
    expect(isOwnPage(address, undefined)).toBe(false);
  });

  it('is the development server, and only it, when there is one', () => {
    expect(isOwnPage('http://localhost:5173/index.html', devServer)).toBe(true);
    expect(isOwnPage('http://localhost:51730/index.html', devServer)).toBe(false);
    expect(isOwnPage('https://localhost:5173/index.html', devServer)).toBe(false);
    expect(isOwnPage('app://umbra/index.html', devServer)).toBe(false);
  });
});

describe('the development server', () => {
  it.each(['http://localhost:5173', 'http://127.0.0.1:5173', 'http://[::1]:5173'])('may be %s', (address) => {
    expect(developmentServer(false, address)?.href).toBe(`${address}/`);
  });

  it.each(['https://evil.example', 'http://localhost.evil.example:5173', 'file:///tmp', 'no address'])(
    'may not be %s',
    (address) => {
      expect(developmentServer(false, address)).toBeUndefined();
    },
  );

  it('does not exist for a packaged program', () => {
    expect(developmentServer(true, 'http://localhost:5173')).toBeUndefined();
  });
});
