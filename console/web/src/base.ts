// Every screen lies one segment below the context path, whatever that is and
// whoever strips it on the way: the folder of the address is the context path.

/** The context path with its slashes: "/" or "/x/". */
export const base: string = new URL(".", document.baseURI).pathname;
