import { Heading } from '../parts/heading.tsx';
import { SearchForm } from '../parts/search-form.tsx';

export function NotFoundPage() {
  return (
    <>
      <Heading title="No such page" />
      <p class="lead">
        There is nothing under this address. If you followed a link to an entry or a vendor, search for it instead.
      </p>
      <SearchForm query="" />
    </>
  );
}
