import { SearchOutlined } from "@ant-design/icons";
import { Input } from "antd";
import { useEffect, useRef, useState } from "react";

interface Props {
  value: string;
  placeholder: string;
  onSearch: (text: string) => void;
  width?: number;
}

const pauseMillis = 300;

/** A text that is searched for when typing pauses, or at once with Enter. */
export function SearchInput({ value, placeholder, onSearch, width = 230 }: Props) {
  const [text, setText] = useState(value);
  const sent = useRef(value);
  const search = useRef(onSearch);
  search.current = onSearch;

  useEffect(() => {
    if (value !== sent.current) {
      sent.current = value; // the address changed by itself: the back button
      setText(value);
    }
  }, [value]);
  useEffect(() => {
    if (text === sent.current) {
      return;
    }
    const timer = setTimeout(() => {
      sent.current = text;
      search.current(text);
    }, pauseMillis);
    return () => clearTimeout(timer);
  }, [text]);

  return (
    <Input
      allowClear
      aria-label={placeholder}
      placeholder={placeholder}
      prefix={<SearchOutlined style={{ opacity: 0.5 }} />}
      style={{ width }}
      value={text}
      onChange={(e) => setText(e.target.value)}
      onPressEnter={() => {
        sent.current = text;
        search.current(text);
      }}
    />
  );
}
