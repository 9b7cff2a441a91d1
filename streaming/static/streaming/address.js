// The addresses of a stream and of its polling twin. The page's URL may bring a query of its own, such as `org`.

/** Return `base` with these parameters set; what is null or empty is left out. */
export function address(base, parameters) {
  const url = new URL(base);
  for (const [name, value] of Object.entries(parameters)) if (value !== null && value !== "") url.searchParams.set(name, value);
  return url.href;
}

/** Return the address of the polling twin of the stream at `base`. */
export function twin(base) {
  const url = new URL(base);
  url.pathname = `${url.pathname.replace(/\/$/, "")}/poll`;
  return url.href;
}

/** Return a filter as the parameters that ask for it. */
export function asked({ types, scope }) {
  return { ...scope, types: types.filter((type) => type !== "heartbeat").join(",") };
}
