import { describe, expect, it } from 'vitest';
import { contentSecurityPolicy, isDocumentationLink } from '../../../electron/main/content-policy.ts';

describe('the content security policy', () => {
  it('allows no code but our own', () => {
    const policy = contentSecurityPolicy();
    expect(policy).toMatch(/^default-src 'none'; script-src 'self';/);
    expect(policy).not.toContain('unsafe-eval');
    expect(policy).not.toMatch(/script-src[^;]*unsafe-inline/);
    expect(policy).not.toMatch(/https?:|wss?:/);
  });

  it('opens one web socket for the development server and nothing else', () => {
    const development = contentSecurityPolicy(new URL('http://localhost:5173'));
    expect(development).toBe(
      contentSecurityPolicy().replace("connect-src 'self'", "connect-src 'self' ws://localhost:5173"),
    );
  });
});

describe('a link that may leave the program', () => {
  it.each(['https://docs.kernel.org/virt/kvm/x86/mmu.html', 'https://lore.kernel.org/kvm/'])('%s may', (link) => {
    expect(isDocumentationLink(link)).toBe(true);
  });

  it.each([
    'http://docs.kernel.org/',
    'https://docs.kernel.org.evil.example/',
    'https://docs.kernel.org@evil.example/',
    'https://docs.kernel.org:8443/',
    'https://evil.example/docs.kernel.org',
    'file:///etc/passwd',
    'javascript:alert(1)',
    '',
  ])('%j may not', (link) => {
    expect(isDocumentationLink(link)).toBe(false);
  });
});
