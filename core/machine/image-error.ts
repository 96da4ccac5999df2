/** Why an image cannot be loaded. */
export type ImageFault =
  /** Not a format this loader knows. */
  | 'unknown-format'
  /** Ends before something it promises. */
  | 'truncated'
  /** Says something that contradicts itself or the format. */
  | 'malformed'
  /** Needs memory that this machine does not have there. */
  | 'out-of-ram'
  /** Correct, but asks for something this machine does not offer. */
  | 'unsupported';

export interface ImageError {
  readonly fault: ImageFault;
  /** One sentence for people: what is wrong and, where there is something to do, what. */
  readonly message: string;
}

export const imageError = (fault: ImageFault, message: string): ImageError => ({ fault, message });
