/** Nova's length of the passwords that it makes for servers. */
export const passwordLength = 12
