export function Logo({ size = 26 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="#0e7c72" />
      <path
        d="M9.5 10h13L9.5 22h13"
        fill="none"
        stroke="#fff"
        strokeWidth="3"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
      <circle cx="9.5" cy="10" r="2.6" fill="#8ff0dc" />
      <circle cx="22.5" cy="22" r="2.6" fill="#8ff0dc" />
    </svg>
  );
}
