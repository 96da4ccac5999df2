/** Version of the contract between the engine and its clients. Both sides refuse another one. */
export const PROTOCOL_VERSION = 1;
